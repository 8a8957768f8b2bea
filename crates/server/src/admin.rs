//! `spool-server admin`: what operators do by hand.
//!
//! Owns: flags and words. Tokens and verification are asked of the server that runs, by HTTP, so that there is one way;
//! backups are taken from the folder, whether a server runs or not.

use crate::{
    access::ADMIN_FILE,
    backup::{self, Inventory},
    config::data_folder,
    objects::FOLDER as OBJECTS,
    serve::ADDRESS_FILE,
};
use anyhow::{Context, bail};
use api::{CreateToken, MintedToken, Problem, Receipt, Recordings, Scope, Tokens};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Flags of `admin`.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    verb: Verb,
    /// The server's data folder.
    #[arg(long, global = true, value_name = "DIR", env = "SPOOL_DATA")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Tokens of the server that runs.
    #[command(subcommand)]
    Token(TokenVerb),
    /// Copies everything to a new folder, also while the server runs.
    Backup {
        /// The new folder.
        to: PathBuf,
        /// Where objects lie, as `serve` has it.
        #[arg(long, value_name = "URL", env = "SPOOL_OBJECT_STORE")]
        object_store: Option<String>,
    },
    /// Makes a data folder of a backup.
    Restore {
        /// The backup.
        from: PathBuf,
    },
    /// Has the server that runs look at every confirmed object again.
    Verify,
}

#[derive(Debug, Clone, Subcommand)]
enum TokenVerb {
    /// Makes a token, and prints its secret this once.
    Create {
        /// What it is for.
        #[arg(long)]
        label: String,
        /// What it allows.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "record")]
        scope: Vec<ScopeArg>,
        /// Seconds for which it is valid; until it is revoked if not given.
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u32>,
    },
    /// Lists tokens that are valid.
    List,
    /// Ends a token.
    Revoke {
        /// As `list` shows it.
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeArg {
    /// Make recordings and upload them.
    Record,
    /// See all recordings.
    Read,
    /// Everything.
    Admin,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Record => Self::Record,
            ScopeArg::Read => Self::Read,
            ScopeArg::Admin => Self::Admin,
        }
    }
}

/// Does one thing and says so.
pub fn run(args: AdminArgs) -> anyhow::Result<()> {
    let data = data_folder(args.data.as_deref())?;
    match args.verb {
        Verb::Token(verb) => wait(async { token(&Client::open(&data)?, verb).await }),
        Verb::Verify => wait(async { verify(&Client::open(&data)?).await }),
        Verb::Backup { to, object_store } => {
            let objects = objects_folder(&data, object_store.as_deref());
            told(backup::back_up(&data, objects.as_deref(), &to)?, &to)
        }
        Verb::Restore { from } => told(backup::restore(&from, &data)?, &data),
    }
}

fn wait(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("starting")?.block_on(work)
}

/// The folder of a store that is one.
fn objects_folder(data: &Path, store: Option<&str>) -> Option<PathBuf> {
    match store.unwrap_or("folder").split_once(':').unwrap_or((store.unwrap_or("folder"), "")) {
        ("folder", "") => Some(data.join(OBJECTS)),
        ("folder", place) => Some(PathBuf::from(place)),
        _ => None,
    }
}

fn told(inventory: Option<Inventory>, place: &Path) -> anyhow::Result<()> {
    let Some(inventory) = inventory else {
        println!("{} has the database and the keys; objects lie in a store of their own", place.display());
        return Ok(());
    };
    println!("{}: {} objects verified, {} bytes", place.display(), inventory.verified, inventory.bytes);
    for name in &inventory.missing {
        eprintln!("missing or damaged: {name}");
    }
    if !inventory.missing.is_empty() {
        bail!("{} confirmed objects are missing or damaged", inventory.missing.len());
    }
    Ok(())
}

async fn token(server: &Client, verb: TokenVerb) -> anyhow::Result<()> {
    match verb {
        TokenVerb::Create { label, scope, expires_in } => {
            let scopes = scope.into_iter().map(Scope::from).collect();
            let wish = CreateToken { label, scopes, expires_in };
            let minted: MintedToken = read(server.ask(Method::POST, "/v1/tokens").json(&wish)).await?;
            println!("{}", minted.secret);
            eprintln!("token {}: its secret is shown this once", minted.id);
        }
        TokenVerb::List => {
            let tokens: Tokens = read(server.ask(Method::GET, "/v1/tokens")).await?;
            for line in tokens.tokens {
                let scopes: Vec<_> =
                    line.scopes.iter().map(|scope| format!("{scope:?}").to_lowercase()).collect();
                println!("{}  {}  {}", line.id, scopes.join(","), line.label);
            }
        }
        TokenVerb::Revoke { id } => {
            let path = format!(
                "/v1/tokens/{}",
                percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC)
            );
            answer(server.ask(Method::DELETE, &path)).await?;
        }
    }
    Ok(())
}

async fn verify(server: &Client) -> anyhow::Result<()> {
    let (mut verified, mut missing, mut cursor) = (0, 0, None);
    loop {
        let mut ask = server.ask(Method::GET, "/v1/recordings");
        if let Some(cursor) = cursor {
            ask = ask.query(&[("cursor", cursor)]);
        }
        let page: Recordings = read(ask).await?;
        for session in page.recordings.iter().flat_map(|recording| &recording.sessions) {
            let receipt: Receipt =
                read(server.ask(Method::POST, &format!("/v1/sessions/{session}/verify"))).await?;
            verified += receipt.vouched.read_back + receipt.vouched.store;
            missing += receipt.missing.len();
            for object in &receipt.missing {
                eprintln!("missing or damaged: session {session}, {object}");
            }
        }
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    println!("{verified} objects verified, {missing} missing");
    if missing > 0 {
        bail!(
            "{missing} objects are missing or damaged; recorders that still have them will send them again"
        );
    }
    Ok(())
}

/// The server that runs in a folder.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    fn open(data: &Path) -> anyhow::Result<Self> {
        let line = |name: &str| -> anyhow::Result<String> {
            let path = data.join(name);
            let text = fs::read_to_string(&path);
            let text = text.with_context(|| {
                format!("reading {}: is this the data folder of a server that runs?", path.display())
            })?;
            Ok(text.trim().to_owned())
        };
        // Fails only if somebody else has chosen before, which is fine too.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().build().context("preparing to ask the server")?;
        Ok(Self { http, url: line(ADDRESS_FILE)?, token: line(ADMIN_FILE)? })
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }
}

async fn answer(ask: RequestBuilder) -> anyhow::Result<reqwest::Response> {
    let answer = ask.send().await.context("the server does not answer: does it run?")?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    match answer.json::<Problem>().await {
        Ok(problem) => bail!("{problem}"),
        Err(_) => bail!("the server answered {status}"),
    }
}

async fn read<T: DeserializeOwned>(ask: RequestBuilder) -> anyhow::Result<T> {
    answer(ask).await?.json().await.context("the server's answer is not understood")
}
