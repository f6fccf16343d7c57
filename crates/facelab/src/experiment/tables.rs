//! The paper's tables and Fig. 5 from cells.

use super::cell::{Cell, CellResult};
use super::laboratory::Laboratory;
use super::paper::{SOURCES, TABLE4, TABLE6, TASKS};
use crate::chart::{Chart, write_charts};
use crate::common::write_file;
use network::{NetworkBackend, TaskName};
use std::fmt::Write;

/// Mean and standard error, percent.
fn summary(results: &[CellResult]) -> String {
    let n = results.len() as f32;
    let mean = results.iter().map(|r| r.accuracy).sum::<f32>() / n.max(1.0);
    let variance = results.iter().map(|r| (r.accuracy - mean).powi(2)).sum::<f32>() / (n - 1.0).max(1.0);
    match results.len() {
        0 => "-".to_owned(),
        1 => format!("{:.2}", mean * 100.0),
        _ => format!("{:.2} ± {:.2}", mean * 100.0, (variance / n).sqrt() * 100.0),
    }
}

impl Laboratory<'_> {
    /// A cell in all its repetitions.
    fn runs<B: NetworkBackend>(&self, cell: &Cell, runs: u32) -> anyhow::Result<Vec<CellResult>> {
        (0..runs).map(|run| self.result::<B>(&Cell { run, ..cell.clone() })).collect()
    }

    /// The paper's tasks whose rows are wanted and that there is data for, with their places in its tables.
    fn known(&self) -> Vec<(usize, TaskName)> {
        let all = TASKS.iter().enumerate().filter_map(|(at, task)| Some((at, task.parse::<TaskName>().ok()?)));
        all.filter(|(_, task)| self.is_wanted(task, &[])).collect()
    }

    /// Whether a task's row is wanted, and there is data for it and for its sources.
    fn is_wanted(&self, task: &TaskName, sources: &[TaskName]) -> bool {
        (self.only.is_empty() || self.only.contains(task))
            && sources.iter().chain([task]).all(|name| self.tasks.contains_key(name))
    }

    fn write(&self, name: &str, markdown: &str, rows: &[(String, Vec<CellResult>)]) -> anyhow::Result<()> {
        write_file(&self.out.join(format!("{name}.md")), markdown.as_bytes())?;
        let mut csv = String::from("cell,run,accuracy,tested,trained,seconds\n");
        for (cell, results) in rows {
            for r in results {
                // Writing to a string does not fail.
                let _ =
                    writeln!(csv, "{cell},{},{},{},{},{:.0}", r.cell.run, r.accuracy, r.tested, r.trained, r.seconds);
            }
        }
        write_file(&self.out.join(format!("{name}.csv")), csv.as_bytes())
    }
}

/// Table IV: encoder frozen or trained on, for each task.
///
/// # Errors
/// See [`Laboratory::result`].
pub fn table4<B: NetworkBackend>(lab: &Laboratory, runs: u32) -> anyhow::Result<String> {
    let mut text = String::from("| encoder | task | here, % | paper, % |\n|---|---|---|---|\n");
    let mut rows = Vec::new();
    for (retrained, paper) in [false, true].into_iter().zip(TABLE4) {
        for (at, task) in lab.known() {
            let results = lab.runs::<B>(&Cell { retrained, ..Cell::plain(&task, 0) }, runs)?;
            let encoder = if retrained { "retrained" } else { "frozen" };
            let (mean, error) = paper[at];
            let _ = writeln!(text, "| {encoder} | {task} | {} | {mean:.2} ± {error:.2} |", summary(&results));
            rows.push((format!("{task} {encoder}"), results));
        }
    }
    lab.write("table4", &text, &rows)?;
    Ok(text)
}

/// Table V: every task from every combination of sources that the paper has.
///
/// # Errors
/// See [`Laboratory::result`].
pub fn table5<B: NetworkBackend>(lab: &Laboratory, runs: u32) -> anyhow::Result<String> {
    let mut text = String::from(
        "| sources | task | here, % | without sources, % | difference | paper, % | paper's difference |\n|---|---|---|---|---|---|---|\n",
    );
    let mut rows = Vec::new();
    for (at, task) in lab.known() {
        let plain = lab.runs::<B>(&Cell::plain(&task, 0), runs)?;
        for (sources, paper) in SOURCES {
            let names: Vec<TaskName> = sources.iter().filter_map(|source| source.parse().ok()).collect();
            let Some(paper) = paper[at].filter(|_| names.iter().all(|name| lab.tasks.contains_key(name))) else {
                continue;
            };
            let results = lab.runs::<B>(&Cell { sources: names, ..Cell::plain(&task, 0) }, runs)?;
            let differences: Vec<CellResult> = results
                .iter()
                .zip(&plain)
                .map(|(with, without)| CellResult { accuracy: with.accuracy - without.accuracy, ..with.clone() })
                .collect();
            let _ = writeln!(
                text,
                "| {} | {task} | {} | {} | {} | {paper:.2} | {:+.2} |",
                sources.join(", "),
                summary(&results),
                summary(&plain),
                summary(&differences),
                paper - TABLE4[0][at].0,
            );
            rows.push((format!("{task} from {}", sources.join(" ")), results));
        }
        rows.push((format!("{task} alone"), plain));
    }
    lab.write("table5", &text, &rows)?;
    Ok(text)
}

/// Table VI: the paper's best combinations beside what others reach.
///
/// # Errors
/// See [`Laboratory::result`].
pub fn table6<B: NetworkBackend>(lab: &Laboratory, runs: u32) -> anyhow::Result<String> {
    let mut text = String::from("| task | sources | here, % | paper, % | others, % |\n|---|---|---|---|---|\n");
    let mut rows = Vec::new();
    for (task, others, reached, sources, paper) in TABLE6 {
        let names: Vec<TaskName> = sources.iter().filter_map(|source| source.parse().ok()).collect();
        let Ok(task) = task.parse::<TaskName>() else { continue };
        if !lab.is_wanted(&task, &names) {
            continue;
        }
        let results = lab.runs::<B>(&Cell { sources: names, ..Cell::plain(&task, 0) }, runs)?;
        let from = sources.join(", ");
        let _ = writeln!(text, "| {task} | {from} | {} | {paper:.2} | {reached:.2}, {others} |", summary(&results));
        rows.push((format!("{task} from {}", sources.join(" ")), results));
    }
    lab.write("table6", &text, &rows)?;
    Ok(text)
}

/// Fig. 5: validation accuracy over epochs, with the paper's best sources and without, mean of the repetitions.
///
/// # Errors
/// See [`Laboratory::result`].
pub fn curves<B: NetworkBackend>(lab: &Laboratory, runs: u32) -> anyhow::Result<String> {
    let mut charts = Vec::new();
    let mut text = String::from("| task | sources | epochs to 95% of its best | best, % |\n|---|---|---|---|\n");
    for (task, _, _, sources, _) in TABLE6 {
        let names: Vec<TaskName> = sources.iter().filter_map(|source| source.parse().ok()).collect();
        let Ok(task) = task.parse::<TaskName>() else { continue };
        if !lab.is_wanted(&task, &names) {
            continue;
        }
        let mut lines = Vec::new();
        for (name, sources) in [(format!("from {}", sources.join(", ")), names), ("alone".to_owned(), Vec::new())] {
            let results = lab.runs::<B>(&Cell { sources, ..Cell::plain(&task, 0) }, runs)?;
            let epochs = results.iter().map(|result| result.curve.len()).min().unwrap_or(0);
            let at = |epoch: usize| {
                let sum: f32 = results.iter().map(|result| result.curve[epoch].validation_accuracy).sum();
                (epoch as f64 + 1.0, f64::from(sum / results.len().max(1) as f32) * 100.0)
            };
            let points: Vec<(f64, f64)> = (0..epochs).map(at).collect();
            let best = points.iter().map(|point| point.1).fold(0.0, f64::max);
            let reached = points.iter().find(|point| point.1 >= 0.95 * best).map_or(0.0, |point| point.0);
            let _ = writeln!(text, "| {task} | {name} | {reached:.0} | {best:.2} |");
            lines.push((name, points));
        }
        charts.push(Chart {
            title: task.to_string(),
            x: "epoch".into(),
            y: "validation accuracy, %".into(),
            lines,
            ..Chart::default()
        });
    }
    write_charts(&lab.out.join("fig5.png"), &charts)?;
    write_file(&lab.out.join("fig5.md"), text.as_bytes())?;
    Ok(text)
}
