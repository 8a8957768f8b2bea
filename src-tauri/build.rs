//! Takes the front end into the program. Where it was not built yet a page stands for it that says so, so that Rust
//! alone can be checked.

use std::{error::Error, fs, path::Path};

const STAND_IN: &str =
    "<!doctype html><title>Spool</title><p>The front end is not built: run npm run build in ui.\n";

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new("ui/dist");
    let page = dist.join("index.html");
    if !page.exists() {
        fs::create_dir_all(dist)?;
        fs::write(page, STAND_IN)?;
    }
    Ok(tauri_build::try_build(tauri_build::Attributes::new())?)
}
