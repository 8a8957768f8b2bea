#!/usr/bin/env bash
# Writes latest.json, which apps that update themselves ask for: latest.sh VERSION URL FOLDER. The packages of the release
# and their signatures (.sig, by Tauri's signer) lie in FOLDER and will be had below URL. NOTES says what is new.
set -euo pipefail
version=$1 url=$2 folder=$3

# The one file of this name with a signature, as a line of the list; nothing where this system has no package.
platform() {
    local name=$1 signature
    shift
    for signature in "$@"; do
        [ -e "$signature" ] || continue
        jq -n --arg name "$name" --rawfile signature "$signature" --arg url "$url/$(basename "${signature%.sig}")" \
            '{($name): {$signature, $url}}'
        return
    done
}

{
    platform linux-x86_64 "$folder"/*_amd64.AppImage.sig
    platform darwin-aarch64 "$folder"/*aarch64.app.tar.gz.sig
    platform darwin-x86_64 "$folder"/*x64.app.tar.gz.sig
    platform windows-x86_64 "$folder"/*_x64-setup.exe.sig
} | jq -s --arg version "$version" --arg notes "${NOTES:-}" --arg now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    '{$version, $notes, pub_date: $now, platforms: add}'
