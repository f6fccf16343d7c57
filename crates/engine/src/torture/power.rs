//! A disk of which only that is certain that was synced: what a power cut may leave of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;

use crate::model::disk::steps::Step;

type Node = usize;

/// A change of a folder's entries: `Some(node)` under a name, or nothing any more. A renaming has two.
#[derive(Debug, Clone)]
struct Entries {
    changes: Vec<(Node, String, Option<Node>)>,
    /// Folders that must be synced before it is certain.
    unsynced: BTreeSet<Node>,
}

#[derive(Debug, Clone)]
enum Content {
    Folder,
    File { bytes: Vec<u8>, synced: bool },
}

/// What a power cut does to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// All of it got to the disk.
    AllKept,
    /// None of it.
    Dropped,
    /// Names got there, content half.
    Torn,
    /// Names and content got there or not, in any order.
    Mixed,
}

/// Every step so far, and which of them are certain.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    nodes: Vec<Content>,
    /// As programs see it.
    names: BTreeMap<(Node, String), Node>,
    log: Vec<Entries>,
}

const ROOT: Node = 0;

impl Disk {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Content::Folder], names: BTreeMap::new(), log: Vec::new() }
    }

    /// Takes a step below `root`, which has not been made yet.
    pub(super) fn take(&mut self, root: &Path, step: Step<'_>) {
        let relative = |path: &Path| -> Vec<String> {
            let path = path.strip_prefix(root).unwrap_or(Path::new(""));
            path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
        };
        match step {
            Step::MakeDir(path) => {
                let node = self.add(Content::Folder);
                self.link(&relative(path), node);
            }
            Step::Write(path) => {
                let node = self.add(Content::File { bytes: std::fs::read(path).unwrap(), synced: false });
                self.link(&relative(path), node);
            }
            Step::Sync(path) => {
                let Some(node) = self.find(&relative(path)) else { return };
                if let Content::File { synced, .. } = &mut self.nodes[node] {
                    *synced = true;
                }
                for entries in &mut self.log {
                    entries.unsynced.remove(&node);
                }
            }
            Step::Rename(from, to) => {
                let (from, to) = (relative(from), relative(to));
                let Some(node) = self.find(&from) else { return };
                if let Some(((from, before), (to, name))) = self.place(&from).zip(self.place(&to)) {
                    self.change(vec![(from, before, None), (to, name, Some(node))]);
                }
            }
            Step::Remove(path) => {
                if let Some(node) = self.find(&relative(path)) {
                    self.unlink_below(node);
                    if let Some((folder, name)) = self.place(&relative(path)) {
                        self.change(vec![(folder, name, None)]);
                    }
                }
            }
            Step::MakeFile(_) | Step::Lock(_) => {}
        }
    }

    /// Writes below `target` what a power cut now might leave.
    pub(super) fn cut(&self, cut: Cut, random: &mut StdRng, target: &Path) {
        let mut names: BTreeMap<(Node, String), Node> = BTreeMap::new();
        for entries in &self.log {
            let certain = entries.unsynced.is_empty();
            let there = match cut {
                Cut::AllKept | Cut::Torn => true,
                Cut::Dropped => certain,
                Cut::Mixed => certain || random.random_bool(0.5),
            };
            for (folder, name, node) in entries.changes.iter().filter(|_| there) {
                match node {
                    Some(node) => drop(names.insert((*folder, name.clone()), *node)),
                    None => drop(names.remove(&(*folder, name.clone()))),
                }
            }
        }
        self.write(ROOT, &names, cut, random, target);
    }

    fn write(
        &self,
        folder: Node,
        names: &BTreeMap<(Node, String), Node>,
        cut: Cut,
        random: &mut StdRng,
        target: &Path,
    ) {
        std::fs::create_dir_all(target).unwrap();
        for ((_, name), node) in names.iter().filter(|((parent, _), _)| *parent == folder) {
            let path = target.join(name);
            match &self.nodes[*node] {
                Content::Folder => self.write(*node, names, cut, random, &path),
                Content::File { bytes, synced } => {
                    let length = match cut {
                        _ if *synced => bytes.len(),
                        Cut::AllKept => bytes.len(),
                        Cut::Dropped => 0,
                        Cut::Torn => bytes.len() / 2,
                        Cut::Mixed => random.random_range(0..=bytes.len()),
                    };
                    std::fs::write(path, &bytes[..length]).unwrap();
                }
            }
        }
    }

    fn add(&mut self, content: Content) -> Node {
        self.nodes.push(content);
        self.nodes.len() - 1
    }

    fn find(&self, path: &[String]) -> Option<Node> {
        path.iter().try_fold(ROOT, |folder, name| self.names.get(&(folder, name.clone())).copied())
    }

    /// The folder that an entry is in, and its name there.
    fn place(&self, path: &[String]) -> Option<(Node, String)> {
        let (name, folder) = path.split_last()?;
        Some((self.find(folder)?, name.clone()))
    }

    fn link(&mut self, path: &[String], node: Node) {
        if let Some((folder, name)) = self.place(path) {
            self.change(vec![(folder, name, Some(node))]);
        }
    }

    /// A tree is removed entry by entry, from below.
    fn unlink_below(&mut self, folder: Node) {
        let below: Vec<(String, Node)> = self
            .names
            .iter()
            .filter(|((parent, _), _)| *parent == folder)
            .map(|((_, name), node)| (name.clone(), *node))
            .collect();
        for (name, node) in below {
            self.unlink_below(node);
            self.change(vec![(folder, name, None)]);
        }
    }

    fn change(&mut self, changes: Vec<(Node, String, Option<Node>)>) {
        for (folder, name, node) in &changes {
            match node {
                Some(node) => drop(self.names.insert((*folder, name.clone()), *node)),
                None => drop(self.names.remove(&(*folder, name.clone()))),
            }
        }
        let unsynced = changes.iter().map(|(folder, ..)| *folder).collect();
        self.log.push(Entries { changes, unsynced });
    }
}
