//! Whoever makes newer versions of the app: a server on this machine, and a key that packages are signed with.

use stands::process::{text, tool};
use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};
use tempfile::TempDir;

/// A server with packages, and the key that they are signed with.
#[derive(Debug)]
pub struct Makers {
    folder: TempDir,
    address: String,
    shop: Arc<Mutex<Shop>>,
}

#[derive(Debug, Default)]
struct Shop {
    pages: HashMap<String, Vec<u8>>,
    questions: usize,
}

impl Makers {
    /// With a new key, and nothing to offer.
    pub fn open() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let key = folder.path().join("key");
        text(signer(&["generate", "--ci", "--password", "", "--write-keys"]).arg(&key));
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shop = Arc::<Mutex<Shop>>::default();
        let served = Arc::clone(&shop);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut shop = served.lock().unwrap_or_else(PoisonError::into_inner);
                shop.questions += 1;
                // A client that went away is no concern of the others.
                let _gone = answer(&stream, &shop.pages);
            }
        });
        Self { folder, address: format!("http://{address}"), shop }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the app knows of the key.
    pub fn public_key(&self) -> String {
        let key = fs::read_to_string(self.folder.path().join("key.pub")).expect("keys come in pairs");
        key.trim().to_owned()
    }

    /// How often anybody asked for anything.
    pub fn questions(&self) -> usize {
        self.shop().questions
    }

    /// The signature of this package as this version.
    pub fn sign(&self, package: &[u8], version: &str) -> String {
        let (file, key) = (self.folder.path().join("package"), self.folder.path().join("key"));
        fs::write(&file, package).expect("there is room for a file");
        let mut sign = signer(&["sign", "--password", "", "--app-version", version, "--private-key-path"]);
        text(sign.arg(key).arg(&file));
        fs::read_to_string(self.folder.path().join("package.sig")).expect("the signer writes signatures")
    }

    /// Publishes it as the newest, by the script that releases use.
    pub fn offer(&self, version: &str, package: &[u8], signature: &str) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let name = format!("Spool_{version}_amd64.AppImage");
        let file = folder.path().join(format!("{name}.sig"));
        fs::write(file, signature).expect("there is room for a file");
        let mut list = tool("bash");
        list.arg(root().join("packaging/latest.sh")).args([version, &self.address]).arg(folder.path());
        let latest = text(list.env("NOTES", "Sharper letters."));
        let pages =
            [("/latest.json".to_owned(), latest.into_bytes()), (format!("/{name}"), package.to_vec())];
        self.shop().pages = pages.into();
    }

    fn shop(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(mut stream: &TcpStream, pages: &HashMap<String, Vec<u8>>) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    // The rest of the question, up to the empty line.
    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
    let page = asked.split(' ').nth(1).and_then(|path| pages.get(path));
    let (state, body) = page.map_or(("404 Not Found", &[][..]), |page| ("200 OK", page));
    let head = format!("HTTP/1.1 {state}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

fn signer(arguments: &[&str]) -> Command {
    let mut command = tool("node");
    command.arg(root().join("ui/node_modules/@tauri-apps/cli/tauri.js")).arg("signer").args(arguments);
    command
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
