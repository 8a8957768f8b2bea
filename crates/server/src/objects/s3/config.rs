//! How an operator names an S3-compatible store.
//!
//! Owns: `s3://KEY:SECRET@HOST[:PORT]/BUCKET?…` and the variables that AWS's own tools read. Reads the environment only
//! through what it is given.

use crate::objects::ObjectError;
use percent_encoding::percent_decode_str;
use rusty_s3::{Bucket, Credentials, UrlStyle};
use std::{fmt, net::IpAddr};
use url::Url;

/// Which store, and how it is reached.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// As this server reaches it.
    pub(super) own: Bucket,
    /// As recorders and browsers reach it.
    pub(super) public: Bucket,
    pub(super) credentials: Credentials,
    /// Whether objects are read back and hashed even where the store says what it has.
    pub(super) reads_back: bool,
}

/// What follows the question mark.
#[derive(Default)]
struct Options {
    region: Option<String>,
    scheme: Option<String>,
    style: Option<String>,
    public: Option<String>,
    check: Option<String>,
}

impl S3Config {
    /// Reads `s3://KEY:SECRET@HOST[:PORT]/BUCKET?OPTIONS`. Key and secret are percent-encoded where they have other
    /// signs than letters and digits. Without them, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN` are taken; without a host (`s3:///BUCKET`), `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or AWS
    /// itself.
    ///
    /// Options: `region` (else `AWS_REGION`, `AWS_DEFAULT_REGION`, `us-east-1`), `scheme` (`https`, or `http`), `style`
    /// (`path`, or `virtual` for `BUCKET.HOST`; AWS is always addressed so), `public` (the endpoint for recorders, where
    /// they reach it by another address than this server), `check` (`store`, or `read` to read every object back).
    pub fn parse(url: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, ObjectError> {
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let parsed = Url::parse(url).map_err(|error| wrong(format!("this is no URL: {error}")))?;
        let bucket = parsed.path().trim_matches('/');
        if parsed.scheme() != "s3" || bucket.is_empty() || bucket.contains('/') {
            return Err(wrong("the store is named s3://KEY:SECRET@HOST/BUCKET"));
        }
        let options = options(&parsed)?;
        let region = options.region.or_else(|| env("AWS_REGION")).or_else(|| env("AWS_DEFAULT_REGION"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = endpoint(&parsed, options.scheme.as_deref(), &region, &env)?;
        let own = place(&endpoint, options.style.as_deref(), bucket, &region)?;
        let public = match options.public {
            None => own.clone(),
            Some(public) => {
                let public = Url::parse(&public).map_err(|error| wrong(format!("public: {error}")))?;
                place(&public, options.style.as_deref(), bucket, &region)?
            }
        };
        let reads_back = match options.check.as_deref() {
            None | Some("store") => false,
            Some("read") => true,
            Some(other) => return Err(wrong(format!("check is store or read, not {other}"))),
        };
        Ok(Self { own, public, credentials: credentials(&parsed, &env)?, reads_back })
    }
}

fn wrong(reason: impl fmt::Display) -> ObjectError {
    ObjectError::unavailable("be used as it is configured", reason)
}

fn options(url: &Url) -> Result<Options, ObjectError> {
    let mut options = Options::default();
    for (name, value) in url.query_pairs() {
        let option = match &*name {
            "region" => &mut options.region,
            "scheme" => &mut options.scheme,
            "style" => &mut options.style,
            "public" => &mut options.public,
            "check" => &mut options.check,
            other => return Err(wrong(format!("there is no option {other}"))),
        };
        *option = Some(value.into_owned());
    }
    Ok(options)
}

fn endpoint(
    url: &Url,
    scheme: Option<&str>,
    region: &str,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Url, ObjectError> {
    let scheme = scheme.unwrap_or("https");
    let endpoint = match (url.host_str().filter(|host| !host.is_empty()), url.port()) {
        (Some(host), Some(port)) => format!("{scheme}://{host}:{port}"),
        (Some(host), None) => format!("{scheme}://{host}"),
        (None, _) => env("AWS_ENDPOINT_URL_S3")
            .or_else(|| env("AWS_ENDPOINT_URL"))
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com")),
    };
    Url::parse(&endpoint).map_err(|error| wrong(format!("{endpoint}: {error}")))
}

fn place(endpoint: &Url, style: Option<&str>, bucket: &str, region: &str) -> Result<Bucket, ObjectError> {
    let host = endpoint.host_str().unwrap_or_default();
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let style = match style {
        None if host.ends_with(".amazonaws.com") && !is_address => UrlStyle::VirtualHost,
        None | Some("path") => UrlStyle::Path,
        Some("virtual") => UrlStyle::VirtualHost,
        Some(other) => return Err(wrong(format!("style is path or virtual, not {other}"))),
    };
    Bucket::new(endpoint.clone(), style, bucket.to_owned(), region.to_owned())
        .map_err(|error| wrong(format!("{endpoint}: {error}")))
}

fn credentials(url: &Url, env: &impl Fn(&str) -> Option<String>) -> Result<Credentials, ObjectError> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(String::from).map_err(|_| wrong("key and secret must be text"))
    };
    if let (key @ 1.., Some(secret)) = (url.username().len(), url.password()) {
        let key = decoded(&url.username()[..key])?;
        return Ok(Credentials::new(key, decoded(secret)?));
    }
    let (key, secret) = (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"));
    let (Some(key), Some(secret)) = (key, secret) else {
        return Err(wrong(
            "there is no key: put it into the URL, or into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    };
    Ok(match env("AWS_SESSION_TOKEN") {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, variables: &[(&str, &str)]) -> Result<S3Config, ObjectError> {
        let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name);
        S3Config::parse(url, |name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_url_says_everything() {
        let config = parse(
            "s3://KEY:a%2Fb%2B@10.0.0.1:8333/media?scheme=http&region=eu&public=https%3A%2F%2Fmedia.example.org",
            &[("AWS_ACCESS_KEY_ID", "other"), ("AWS_REGION", "other")],
        )
        .unwrap();
        assert_eq!(config.own.base_url().as_str(), "http://10.0.0.1:8333/media/");
        assert_eq!(config.public.base_url().as_str(), "https://media.example.org/media/");
        assert_eq!((config.credentials.key(), config.credentials.secret()), ("KEY", "a/b+"));
        assert_eq!((config.own.region(), config.reads_back), ("eu", false));
    }

    #[test]
    fn what_it_does_not_say_the_environment_does() {
        let keys = [("AWS_ACCESS_KEY_ID", "K"), ("AWS_SECRET_ACCESS_KEY", "S"), ("AWS_SESSION_TOKEN", "T")];
        let config = parse("s3:///media?check=read", &keys).unwrap();
        assert_eq!(config.own.base_url().as_str(), "https://media.s3.us-east-1.amazonaws.com/");
        assert_eq!((config.credentials.token(), config.reads_back), (Some("T"), true));
        let mut more = keys.to_vec();
        more.extend([("AWS_ENDPOINT_URL", "http://localhost:9000"), ("AWS_DEFAULT_REGION", "garage")]);
        let config = parse("s3:///media", &more).unwrap();
        assert_eq!(config.own.base_url().as_str(), "http://localhost:9000/media/");
        assert_eq!(config.own.region(), "garage");
        let config = parse("s3://store.example.org/media?style=virtual", &keys).unwrap();
        assert_eq!(config.own.base_url().as_str(), "https://media.store.example.org/");
    }

    #[test]
    fn what_cannot_be_is_said_early_and_without_the_secret() {
        for url in [
            "s3://K:hidden@host",
            "s3://K:hidden@host/a/b",
            "s3://host/bucket",
            "s3://K:hidden@host/bucket?style=round",
            "s3://K:hidden@host/bucket?check=no",
            "s3://K:hidden@host/bucket?scheme=ftp",
            "s3://K:hidden@host/bucket?x=1",
            "s3://K:hidden@host/bucket?public=nowhere",
            "http://K:hidden@host/bucket",
        ] {
            let error = parse(url, &[]).unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
        let shown = format!("{:?}", parse("s3://K:hidden@host/bucket", &[]).unwrap());
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
