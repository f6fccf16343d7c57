//! All columns of a network on a CPU, from the weights that are prepared for it.

use super::Activations;
use super::column::PreparedColumn;
use crate::column::BLOCKS;
use rayon::prelude::*;

/// What a prepared column gives; see [`crate::ColumnOutput`].
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

/// All columns from features of `n` faces, depth by depth; the columns of one depth side by side. `sources`: the positions of each
/// column's sources, which come before it. What no later depth needs is given up, unless all blocks are asked for.
pub(crate) fn forward(
    columns: &[&PreparedColumn],
    sources: &[Vec<usize>],
    n: usize,
    features: &Activations,
    wanted: Wanted,
) -> Vec<PreparedOutput> {
    let mut kept: Vec<Vec<Activations>> = columns.iter().map(|_| Vec::new()).collect();
    let mut newest: Vec<Activations> = Vec::new();
    for depth in 0..BLOCKS {
        let block = |(at, column): (usize, &&PreparedColumn)| {
            let x = newest.get(at).unwrap_or(features);
            let from: Vec<&[f32]> = sources[at].iter().filter_map(|&source| newest.get(source)).map(|s| &**s).collect();
            column.block(depth, n, x, &from)
        };
        let outputs: Vec<Activations> = columns.par_iter().enumerate().map(block).collect();
        let before = std::mem::replace(&mut newest, outputs);
        if wanted == Wanted::AllBlocks {
            for (kept, before) in kept.iter_mut().zip(before) {
                kept.push(before);
            }
        }
    }
    // What a column without blocks gives to others comes out of its head: in the columns' order, sources first.
    let mut given: Vec<Option<Activations>> = Vec::with_capacity(columns.len());
    let mut units: Vec<Option<Activations>> = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        let gives = wanted != Wanted::Logits || sources.iter().any(|sources| sources.contains(&at));
        let of_this = (gives && column.gives_hidden())
            .then(|| column.hidden_units(n, &newest[at], &drawn(&sources[at], &given, &newest)));
        given.push(of_this.as_deref().map(|units| column.hidden_map(n, units)));
        units.push(of_this);
    }
    let logits_of = |(at, column): (usize, &&PreparedColumn)| {
        let logits = match &units[at] {
            Some(units) => column.logits(n, units),
            None => {
                let from = drawn(&sources[at], &given, &newest);
                column.logits(n, &column.hidden_units(n, &newest[at], &from))
            }
        };
        logits.to_vec()
    };
    let logits: Vec<Vec<f32>> = columns.par_iter().enumerate().map(logits_of).collect();
    for ((kept, newest), given) in kept.iter_mut().zip(newest).zip(given) {
        kept.push(given.unwrap_or(newest));
    }
    logits.into_iter().zip(kept).map(|(logits, blocks)| PreparedOutput { logits, blocks }).collect()
}

/// What the sources at some positions give to a head.
fn drawn<'a>(sources: &[usize], given: &'a [Option<Activations>], last: &'a [Activations]) -> Vec<&'a [f32]> {
    sources.iter().map(|&source| given[source].as_deref().unwrap_or(&*last[source])).collect()
}
