//! All columns of a network on a CPU, from the weights that are prepared for it.

use crate::backend::NetworkBackend;
use crate::column::Column;
use crate::prepared::Activations;
use crate::progressive::ProgressiveNetwork;
use rayon::prelude::*;

/// What a prepared column gives; see [`ColumnOutput`].
pub(crate) struct PreparedOutput {
    pub logits: Vec<f32>,
    /// Of all blocks, or of the last alone.
    pub blocks: Vec<Activations>,
}

/// What is asked of the columns beside their logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Logits,
    LastBlocks,
    AllBlocks,
}

impl<B: NetworkBackend> ProgressiveNetwork<B> {
    /// All columns, depth by depth; the columns of one depth side by side. What no later depth needs is given up, unless
    /// all blocks are asked for.
    pub(crate) fn prepared_columns(&self, n: usize, features: &Activations, wanted: Wanted) -> Vec<PreparedOutput> {
        // One after the other: preparing works in parallel itself, and a thread that waits there would take up the next
        // column's preparation in the middle of this one's.
        for entry in self.columns() {
            entry.prepared();
        }
        let sources = self.source_positions();
        let mut kept: Vec<Vec<Activations>> = self.columns().iter().map(|_| Vec::new()).collect();
        let mut newest: Vec<Activations> = Vec::new();
        for depth in 0..Column::<B>::BLOCKS {
            let outputs: Vec<Activations> = self
                .columns()
                .par_iter()
                .enumerate()
                .map(|(at, entry)| {
                    let x = newest.get(at).unwrap_or(features);
                    let from: Vec<&[f32]> =
                        sources[at].iter().filter_map(|&source| newest.get(source)).map(|s| &**s).collect();
                    entry.prepared().block(depth, n, x, &from)
                })
                .collect();
            let before = std::mem::replace(&mut newest, outputs);
            if wanted == Wanted::AllBlocks {
                for (kept, before) in kept.iter_mut().zip(before) {
                    kept.push(before);
                }
            }
        }
        // What a column without blocks gives to others comes out of its head: in the columns' order, sources first.
        let mut given: Vec<Option<Activations>> = Vec::with_capacity(self.columns().len());
        let mut units: Vec<Option<Activations>> = Vec::with_capacity(self.columns().len());
        for (at, entry) in self.columns().iter().enumerate() {
            let prepared = entry.prepared();
            let gives = wanted != Wanted::Logits || sources.iter().any(|sources| sources.contains(&at));
            let of_this = (gives && prepared.gives_hidden())
                .then(|| prepared.hidden_units(n, &newest[at], &drawn(&sources[at], &given, &newest)));
            given.push(of_this.as_deref().map(|units| prepared.hidden_map(n, units)));
            units.push(of_this);
        }
        let logits: Vec<Vec<f32>> = self
            .columns()
            .par_iter()
            .enumerate()
            .map(|(at, entry)| {
                let prepared = entry.prepared();
                let logits = match &units[at] {
                    Some(units) => prepared.logits(n, units),
                    None => {
                        let from = drawn(&sources[at], &given, &newest);
                        prepared.logits(n, &prepared.hidden_units(n, &newest[at], &from))
                    }
                };
                logits.to_vec()
            })
            .collect();
        for ((kept, newest), given) in kept.iter_mut().zip(newest).zip(given) {
            kept.push(given.unwrap_or(newest));
        }
        logits.into_iter().zip(kept).map(|(logits, blocks)| PreparedOutput { logits, blocks }).collect()
    }
}

/// What the sources at some positions give to a head.
fn drawn<'a>(sources: &[usize], given: &'a [Option<Activations>], last: &'a [Activations]) -> Vec<&'a [f32]> {
    sources.iter().map(|&source| given[source].as_deref().unwrap_or(&*last[source])).collect()
}
