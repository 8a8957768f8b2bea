use super::*;

type Result<T> = std::result::Result<T, DbError>;

async fn count(db: &Db) -> i64 {
    let question = |c: &Connection| Ok(c.query_row("SELECT count(*) FROM recording", [], |row| row.get(0))?);
    db.read::<_, DbError, _>(question).await.unwrap()
}

fn insert(connection: &Connection, id: u128) -> Result<()> {
    let sql = "INSERT INTO recording (id, owner, title, description, recorder, metadata, words, created_at)
               VALUES (?1, '', '', '', '', '{}', '', 0)";
    connection.prepare_cached(sql)?.execute([id.to_be_bytes()])?;
    Ok(())
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let db = Db::open(folder.path()).unwrap();
        assert_eq!(count(&db).await, round * 100);
        let writes = (0..100).map(|n| {
            let db = db.clone();
            tokio::spawn(async move { db.write(move |c| insert(c, (round * 100 + n) as u128)).await })
        });
        for write in futures_util::future::join_all(writes).await {
            write.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_change_that_errs_or_panics_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    let good = (0..50).map(|n| db.write(move |c| insert(c, n)));
    let bad = db.write(|c| {
        insert(c, 1_000)?;
        insert(c, 1_001)?;
        insert(c, 1_000)
    });
    let worse = db.write::<(), DbError, _>(|c| {
        insert(c, 2_000)?;
        panic!("a fault");
    });
    let (good, bad, worse) = tokio::join!(futures_util::future::join_all(good), bad, worse);
    assert!(good.iter().all(|result| result.is_ok()));
    assert!(matches!(bad, Err(DbError::Sqlite(_))));
    assert!(matches!(worse, Err(DbError::Undone)));
    assert_eq!(count(&db).await, 50);
}

#[tokio::test]
async fn a_question_that_panics_costs_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    for _ in 0..2 * READERS {
        let answer = db.read::<(), DbError, _>(|_| panic!("a fault")).await;
        assert!(matches!(answer, Err(DbError::Undone)));
    }
    assert_eq!(count(&db).await, 0);
}

#[tokio::test]
async fn nobody_changes_anything_through_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    assert!(db.read(|c| insert(c, 1)).await.is_err());
    assert_eq!(count(&db).await, 0);
}

#[tokio::test]
async fn a_full_disk_undoes_all_that_was_not_committed_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    let limit =
        |pages: i64| db.write(move |c| Ok::<_, DbError>(c.pragma_update(None, "max_page_count", pages)?));
    limit(1).await.unwrap();
    let mut stored = 0;
    let full = loop {
        let base = stored as u128;
        match db.write(move |c| (0..100).try_for_each(|n| insert(c, base + n))).await {
            Ok(()) => stored += 100,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, DbError::Full | DbError::Undone), "{full}");
    assert_eq!(count(&db).await, stored);
    limit(1_000_000).await.unwrap();
    db.write(|c| insert(c, u128::MAX)).await.unwrap();
    assert_eq!(count(&db).await, stored + 1);
}

#[test]
fn one_process_serves_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    assert!(matches!(Db::open(folder.path()), Err(DbError::InUse(_))));
    drop(db);
    Db::open(folder.path()).unwrap();
}

#[test]
fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Db::open(folder.path()).unwrap());
    let path = folder.path().join(FILE);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Db::open(folder.path()), Err(DbError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn a_damaged_file_is_named_and_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    db.write(|c| (0..2_000).try_for_each(|n| insert(c, n))).await.unwrap();
    drop(db);
    let path = folder.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    for damage in [0, 4096, whole.len() / 2] {
        let mut bytes = whole.clone();
        bytes[damage..damage + 512].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Db::open(folder.path()), Err(DbError::Damaged { .. })), "at {damage}");
    }
    std::fs::write(&path, whole).unwrap();
    assert_eq!(count(&Db::open(folder.path()).unwrap()).await, 2_000);
}
