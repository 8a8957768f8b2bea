//! Opening the database: the lock, the settings of connections, the schema.

use super::DbError;
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{M, Migrations};
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// In order. One that was released is never changed; a new one is added at the end.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("migrations/001-recordings.sql")),
    M::up(include_str!("migrations/002-tokens.sql")),
    M::up(include_str!("migrations/003-uploads.sql")),
];
const LOCK_FILE: &str = "server.lock";
/// Only a backup or a person with a shell can be in the way.
const BUSY: Duration = Duration::from_secs(10);

/// Makes sure that no other process serves this folder, as long as the file is open.
pub fn lock(folder: &Path) -> Result<File, DbError> {
    let path = folder.join(LOCK_FILE);
    let failed = |path: PathBuf, error| DbError::Folder { path, error: Arc::new(error) };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder.to_owned(), error))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| failed(path.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DbError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(path, error)),
    }
}

/// The one connection that writes, with the schema up to date and the file checked.
pub fn writer(path: &Path) -> Result<Connection, DbError> {
    connect_writer(path).map_err(|error| named(error, path))
}

fn connect_writer(path: &Path) -> Result<Connection, DbError> {
    let mut connection = connect(path)?;
    connection.execute_batch("PRAGMA foreign_keys = ON")?;
    check(&connection, path)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(DbError::Newer { path: path.to_owned(), found, known });
    }
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => DbError::from(err),
        other => DbError::Damaged { path: path.to_owned(), reason: other.to_string() },
    })?;
    Ok(connection)
}

/// A connection that only reads.
pub fn reader(path: &Path) -> Result<Connection, DbError> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, DbError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    // FULL syncs the log with each commit: less lost whole databases in simulated power cuts. The last two are for
    // macOS, where a sync alone does not reach the medium.
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;",
    )?;
    Ok(connection)
}

fn check(connection: &Connection, path: &Path) -> Result<(), DbError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(DbError::Damaged { path: path.to_owned(), reason: verdict })
}

/// What SQLite says of a file that is no database, in our words.
fn named(error: DbError, path: &Path) -> DbError {
    let DbError::Sqlite(sqlite) = &error else { return error };
    let is_damage = matches!(
        sqlite.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ReadOnly)
    );
    if is_damage { DbError::Damaged { path: path.to_owned(), reason: sqlite.to_string() } } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_valid() {
        Migrations::from_slice(MIGRATIONS).validate().unwrap();
    }
}
