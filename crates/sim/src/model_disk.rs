//! A model of what a disk holds and what it would hold after a crash.
//!
//! Files and folders are inodes; each knows what is durable and what only the system's memory has. Pure: operations
//! in, the tree after a crash out.

use crate::Random;
use bytes::Bytes;
use std::{collections::BTreeMap, path::Path};

const PAGE: usize = 4096;

/// Files by path, relative to the data folder; folders have no bytes.
pub type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// Something that the store did to the disk. Paths are relative to the data folder.
#[derive(Debug, Clone)]
pub enum Op {
    /// A folder was made.
    CreateFolder(String),
    /// A file was made.
    Create(String),
    /// Bytes were added to a file.
    Append(String, Bytes),
    /// A file was cut.
    Truncate(String, u64),
    /// A file was synced.
    Sync(String),
    /// Syncing a file failed: the system dropped what it had not written, and later syncs do not know.
    SyncFailed(String),
    /// A name was changed.
    Rename(String, String),
    /// A file or an empty folder was removed.
    Remove(String),
    /// A folder was synced.
    SyncFolder(String),
    /// The index committed; this is its image.
    Commit(Bytes),
}

type Id = usize;

#[derive(Debug, Clone)]
enum Node {
    File { now: Vec<u8>, durable: Vec<u8>, dropped: bool },
    Folder { now: BTreeMap<String, Id>, durable: BTreeMap<String, Id>, pending: Vec<Entry> },
}

/// A change to a folder that is not durable yet.
#[derive(Debug, Clone)]
enum Entry {
    Add(String, Id),
    Remove(String),
    Rename(String, String, Id),
}

/// The disk.
#[derive(Debug, Clone)]
pub struct ModelDisk {
    nodes: Vec<Node>,
    image: Option<Bytes>,
}

impl ModelDisk {
    /// A disk on which all of this is durable.
    pub fn new(tree: &Tree, image: Option<Bytes>) -> Self {
        let mut disk = Self { nodes: vec![folder()], image };
        for (path, bytes) in tree {
            let node = match bytes {
                Some(bytes) => file(bytes.clone()),
                None => folder(),
            };
            disk.add(path, node);
        }
        for node in &mut disk.nodes {
            if let Node::Folder { now, durable, pending } = node {
                durable.clone_from(now);
                pending.clear();
            }
        }
        disk
    }

    /// The newest image of the index.
    pub fn image(&self) -> Option<&Bytes> {
        self.image.as_ref()
    }

    /// Does what the store did.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::CreateFolder(path) => self.add(path, folder()),
            Op::Create(path) => self.add(path, file(Vec::new())),
            Op::Append(path, bytes) => self.write(path, |now| now.extend_from_slice(bytes)),
            Op::Truncate(path, size) => self.truncate(path, *size as usize),
            Op::Sync(path) => {
                if let Some(Node::File { now, durable, dropped: false }) =
                    self.find(path).map(|id| &mut self.nodes[id])
                {
                    durable.clone_from(now);
                }
            }
            Op::SyncFailed(path) => {
                if let Some(Node::File { dropped, .. }) = self.find(path).map(|id| &mut self.nodes[id]) {
                    *dropped = true;
                }
            }
            Op::Rename(from, to) => self.rename(from, to),
            Op::Remove(path) => self.change(path, |now, pending, name| {
                now.remove(name);
                pending.push(Entry::Remove(name.to_owned()));
            }),
            Op::SyncFolder(path) => {
                if let Some(Node::Folder { now, durable, pending }) =
                    self.find(path).map(|id| &mut self.nodes[id])
                {
                    durable.clone_from(now);
                    pending.clear();
                }
            }
            Op::Commit(image) => self.image = Some(image.clone()),
        }
    }

    /// What a killed process leaves: all that it has done.
    pub fn after_kill(&self) -> Tree {
        let mut tree = Tree::new();
        self.collect(0, "", &mut tree, &mut |node| match node {
            Node::File { now, .. } => (now.clone(), BTreeMap::new()),
            Node::Folder { now, .. } => (Vec::new(), now.clone()),
        });
        tree
    }

    /// What a power cut leaves: all that was synced, and of the rest what chance has written.
    pub fn after_power_cut(&self, random: &mut Random) -> Tree {
        let mut tree = Tree::new();
        self.collect(0, "", &mut tree, &mut |node| match node {
            Node::File { now, durable, .. } => (torn(now, durable, random), BTreeMap::new()),
            Node::Folder { durable, pending, .. } => (Vec::new(), surviving(durable, pending, random)),
        });
        tree
    }

    fn collect(
        &self,
        id: Id,
        path: &str,
        tree: &mut Tree,
        see: &mut impl FnMut(&Node) -> (Vec<u8>, BTreeMap<String, Id>),
    ) {
        let (bytes, entries) = see(&self.nodes[id]);
        if !path.is_empty() {
            let file = matches!(self.nodes[id], Node::File { .. });
            tree.insert(path.to_owned(), file.then_some(bytes));
        }
        for (name, id) in entries {
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            self.collect(id, &path, tree, see);
        }
    }

    fn find(&self, path: &str) -> Option<Id> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(0, |id, name| match &self.nodes[id] {
            Node::Folder { now, .. } => now.get(name).copied(),
            Node::File { .. } => None,
        })
    }

    fn change(&mut self, path: &str, change: impl FnOnce(&mut BTreeMap<String, Id>, &mut Vec<Entry>, &str)) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(Node::Folder { now, pending, .. }) = self.find(parent).map(|id| &mut self.nodes[id]) {
            change(now, pending, name);
        }
    }

    fn add(&mut self, path: &str, node: Node) {
        let id = self.nodes.len();
        self.nodes.push(node);
        self.change(path, |now, pending, name| {
            now.insert(name.to_owned(), id);
            pending.push(Entry::Add(name.to_owned(), id));
        });
    }

    fn write(&mut self, path: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(Node::File { now, .. }) = self.find(path).map(|id| &mut self.nodes[id]) {
            write(now);
        }
    }

    fn truncate(&mut self, path: &str, size: usize) {
        if let Some(Node::File { now, dropped, .. }) = self.find(path).map(|id| &mut self.nodes[id]) {
            now.resize(size, 0);
            // Whatever comes next is written anew.
            *dropped &= size > 0;
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        let to = Path::new(to).file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        self.change(from, |now, pending, from| {
            if let Some(id) = now.remove(from) {
                now.insert(to.clone(), id);
                pending.push(Entry::Rename(from.to_owned(), to, id));
            }
        });
    }
}

fn file(bytes: Vec<u8>) -> Node {
    Node::File { now: bytes.clone(), durable: bytes, dropped: false }
}

fn folder() -> Node {
    Node::Folder { now: BTreeMap::new(), durable: BTreeMap::new(), pending: vec![] }
}

/// The names in a folder after a power cut: a journal keeps a beginning of the changes, another disk any of them.
fn surviving(durable: &BTreeMap<String, Id>, pending: &[Entry], random: &mut Random) -> BTreeMap<String, Id> {
    let mut entries = durable.clone();
    let in_order = random.chance(50);
    let count = random.up_to(pending.len());
    for (at, entry) in pending.iter().enumerate() {
        if if in_order { at >= count } else { random.chance(50) } {
            continue;
        }
        match entry {
            Entry::Add(name, id) => drop(entries.insert(name.clone(), *id)),
            Entry::Remove(name) => drop(entries.remove(name)),
            Entry::Rename(from, to, id) => {
                entries.remove(from);
                entries.insert(to.clone(), *id);
            }
        }
    }
    entries
}

/// A file's bytes after a power cut: its length is the old one, the new one or one in between, and each page of it is
/// the old one, the new one or, where there was none, perhaps zeros.
fn torn(now: &[u8], durable: &[u8], random: &mut Random) -> Vec<u8> {
    if now == durable {
        return now.to_vec();
    }
    let (short, long) = (now.len().min(durable.len()), now.len().max(durable.len()));
    let size = match random.up_to(3) {
        0 => durable.len(),
        1 => short + random.up_to(long - short),
        _ => now.len(),
    };
    let all_new = random.chance(50);
    let mut bytes = vec![0; size];
    for (number, page) in bytes.chunks_mut(PAGE).enumerate() {
        let source = if all_new || random.chance(60) { now } else { durable };
        let from = source.get(number * PAGE..).unwrap_or_default();
        let count = from.len().min(page.len());
        page[..count].copy_from_slice(&from[..count]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(ops: &[Op]) -> ModelDisk {
        let mut disk = ModelDisk::new(&Tree::new(), None);
        ops.iter().for_each(|op| disk.apply(op));
        disk
    }

    fn after_cuts(disk: &ModelDisk) -> Vec<Tree> {
        (0..200).map(|seed| disk.after_power_cut(&mut Random::new(seed))).collect()
    }

    #[test]
    fn a_kill_forgets_nothing_and_a_power_cut_anything_unsynced() {
        let bytes = Bytes::from(vec![7; 3 * PAGE]);
        let disk = written(&[Op::Create("a".into()), Op::Append("a".into(), bytes.clone())]);
        assert_eq!(disk.after_kill(), Tree::from([("a".to_owned(), Some(bytes.to_vec()))]));
        let trees = after_cuts(&disk);
        assert!(trees.iter().any(|tree| tree.is_empty()), "the name must be lost in some");
        let held = |find: &dyn Fn(&[u8]) -> bool| {
            trees.iter().filter_map(|tree| tree.get("a")?.as_deref()).any(find)
        };
        assert!(held(&|found| found.is_empty()) && held(&|found| found == bytes));
        assert!(held(&|found| found.len() == bytes.len() && found[PAGE] == 0), "a page must be torn in some");
    }

    #[test]
    fn what_was_synced_survives_every_cut() {
        let ops = [
            Op::CreateFolder("f".into()),
            Op::SyncFolder(String::new()),
            Op::Create("f/a.tmp".into()),
            Op::Append("f/a.tmp".into(), Bytes::from_static(b"new")),
            Op::Sync("f/a.tmp".into()),
            Op::Rename("f/a.tmp".into(), "f/a".into()),
            Op::SyncFolder("f".into()),
            Op::Append("f/a".into(), Bytes::from_static(b"er")),
        ];
        for tree in after_cuts(&written(&ops)) {
            assert!(tree["f/a"].as_deref().unwrap().starts_with(b"new"), "{tree:?}");
            assert!(!tree.contains_key("f/a.tmp"));
        }
    }
}
