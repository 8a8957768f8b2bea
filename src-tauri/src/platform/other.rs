//! Windows and macOS.

use super::{Binding, Session};
use anyhow::{Result, bail};

pub(crate) fn session() -> Session {
    Session::Native
}

/// They end by themselves.
pub(crate) fn end_page_helpers() -> Result<()> {
    Ok(())
}

/// Nobody gives out keys here: programs take them.
pub(crate) async fn bind_keys(
    _wanted: &[Binding],
    _bound: impl FnOnce(Vec<Binding>),
    _pressed: impl Fn(&str),
) -> Result<()> {
    bail!("keys are taken here, not given out")
}
