//! Packs: a `labels.csv` beside tar archives of JPEGs, or beside PNG sheets of 48×48 tiles (FER+).

use super::tables::{Table, files, readable, split};
use super::{DataError, Dataset, FaceCrop, Split, io, to_face};
use network::Label;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// FER+'s classes, in the order of its vote columns.
const EMOTIONS: [&str; 8] = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"];
/// Side of a tile on a FER+ sheet, pixels.
const TILE: u32 = 48;
/// Table columns that a task's labels may be in, best first.
const COLUMNS: [(&str, &[&str]); 4] = [
    ("emotion", &["emotion8", "emotion", "emotion_mux"]),
    ("age", &["age9", "age8"]),
    ("gender", &["gender"]),
    ("identity", &["identity"]),
];

/// Every picture of the pack's tar archives that `wanted` names. One that does not decode is told and left out.
pub(super) fn read_archives(folder: &Path, wanted: &BTreeSet<&str>) -> Result<HashMap<String, FaceCrop>, DataError> {
    let mut pictures = Vec::new();
    for path in files(folder, "tar")? {
        let mut archive = tar::Archive::new(File::open(&path).map_err(io(&path))?);
        for entry in archive.entries().map_err(io(&path))? {
            let mut entry = entry.map_err(io(&path))?;
            let name = entry.path().map_err(io(&path))?.to_string_lossy().into_owned();
            if wanted.contains(name.as_str()) {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(io(&path))?;
                pictures.push((path.clone(), name, bytes));
            }
        }
    }
    let decoded = pictures.into_par_iter().map(|(path, name, bytes)| match image::load_from_memory(&bytes) {
        Ok(picture) => Ok((name, to_face(&picture))),
        Err(error) => Err(DataError::Picture { path, name, error }),
    });
    Ok(readable(folder, decoded.collect())?.into_iter().collect())
}

/// A tile's place: sheet, row, column.
pub(super) type TileKey = (String, u32, u32);

/// What says where the tile of a table's row is.
pub(super) fn tile_key(table: &Table) -> Result<impl Fn(&csv::StringRecord) -> TileKey + use<>, DataError> {
    let (sheet, row, column) = (table.require("sheet")?, table.require("row")?, table.require("col")?);
    Ok(move |record: &csv::StringRecord| {
        let number = |at: usize| record[at].parse::<u32>().unwrap_or(u32::MAX);
        (record[sheet].to_owned(), number(row), number(column))
    })
}

/// Every tile of a pack's sheets.
pub(super) fn read_sheets(folder: &Path) -> Result<HashMap<TileKey, FaceCrop>, DataError> {
    let sheets = files(folder, "png")?
        .into_par_iter()
        .map(|path| {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let sheet = image::open(&path)
                .map_err(|error| DataError::Picture { path: path.clone(), name: name.clone(), error })?
                .to_luma8();
            let (columns, rows) = (sheet.width() / TILE, sheet.height() / TILE);
            let tiles: Vec<_> = (0..rows * columns)
                .into_par_iter()
                .map(|at| {
                    let (row, column) = (at / columns, at % columns);
                    let tile = image::imageops::crop_imm(&sheet, column * TILE, row * TILE, TILE, TILE).to_image();
                    ((name.clone(), row, column), to_face(&image::DynamicImage::ImageLuma8(tile)))
                })
                .collect();
            Ok(tiles)
        })
        .collect::<Result<Vec<_>, DataError>>()?;
    Ok(sheets.into_iter().flatten().collect())
}

/// What a table's cell means as a label.
fn label_text(column: &str, cell: &str) -> String {
    match (column, cell) {
        ("gender", "F") => "female".into(),
        ("gender", "M") => "male".into(),
        _ => cell.into(),
    }
}

/// Age groups by their first number, everything else by the alphabet; FER+'s emotions in the order of the votes.
fn sort_labels(labels: BTreeSet<String>) -> Vec<String> {
    let mut labels: Vec<String> = labels.into_iter().collect();
    let first_number =
        |label: &str| label.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse::<u32>().ok());
    if labels.iter().all(|label| first_number(label).is_some()) {
        labels.sort_by_key(|label| first_number(label));
    } else if labels.iter().all(|label| EMOTIONS.contains(&label.as_str())) {
        labels.sort_by_key(|label| EMOTIONS.iter().position(|emotion| emotion == label));
    }
    labels
}

fn to_labels(path: &Path, names: impl IntoIterator<Item = String>) -> Result<Vec<Label>, DataError> {
    names
        .into_iter()
        .map(|name| Label::try_from(name).map_err(|error| DataError::Label { path: path.to_owned(), error }))
        .collect()
}

/// Loads a pack's faces with their labels for `task`. FER+ training faces carry their votes as soft labels; its other
/// parts keep faces with a majority only, as hard labels.
///
/// # Errors
/// The pack cannot be read or has no labels for the task.
pub fn load_pack(folder: &Path, task: &str, column: Option<&str>) -> Result<Dataset, DataError> {
    let tables = Table::of(folder)?;
    let candidates: &[&str] = COLUMNS.iter().find(|(name, _)| *name == task).map_or(&[], |(_, columns)| columns);
    let chosen = match column {
        Some(column) => column,
        None => candidates.iter().copied().chain([task]).find(|name| tables[0].column(name).is_some()).unwrap_or(task),
    };
    if tables[0].column(chosen).is_none() {
        return Err(DataError::NoTask {
            path: tables[0].path.clone(),
            task: task.to_owned(),
            columns: tables[0].columns.join(", "),
        });
    }
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if tables[0].column("sheet").is_some() {
        load_votes(folder, name, &tables[0])
    } else {
        load_files(folder, name, &tables, chosen)
    }
}

fn load_files(folder: &Path, name: String, tables: &[Table], column: &str) -> Result<Dataset, DataError> {
    let mut rows = Vec::new();
    for table in tables {
        let Some(label) = table.column(column) else { continue };
        let (file, part) = (table.require("file")?, table.require("split")?);
        let labelled = |row: &&csv::StringRecord| !row[label].is_empty();
        for (split, row) in table.in_parts(part)?.into_iter().filter(|(_, row)| labelled(row)) {
            rows.push((&row[file], split, label_text(column, &row[label])));
        }
    }
    let names = sort_labels(rows.iter().map(|(_, _, label)| label.clone()).collect());
    let class: HashMap<&str, usize> = names.iter().enumerate().map(|(at, label)| (label.as_str(), at)).collect();
    let pictures = read_archives(folder, &rows.iter().map(|(file, _, _)| *file).collect())?;
    let mut dataset = Dataset::new(name, to_labels(folder, names.clone())?);
    let mut missing = Vec::new();
    for (file, split, label) in &rows {
        match pictures.get(*file) {
            Some(face) => dataset.part_mut(*split).push(face.clone(), class[label.as_str()]),
            None => missing.push(*file),
        }
    }
    if missing.len() == rows.len() {
        let reason = "no picture of its tables is in its archives".to_owned();
        return Err(DataError::Empty { path: folder.to_owned(), reason });
    }
    if let Some(first) = missing.first() {
        let count = missing.len();
        tracing::warn!("{}: {count} rows without a picture are left out, the first: {first}", folder.display());
    }
    Ok(dataset)
}

fn load_votes(folder: &Path, name: String, table: &Table) -> Result<Dataset, DataError> {
    let tiles = read_sheets(folder)?;
    let key = tile_key(table)?;
    let (part, majority) = (table.require("split")?, table.require("emotion8")?);
    let votes = EMOTIONS.iter().map(|e| table.require(&format!("v_{e}"))).collect::<Result<Vec<_>, _>>()?;
    let mut dataset = Dataset::new(name, to_labels(folder, EMOTIONS.map(str::to_owned))?);
    for (split, record) in table.in_parts(part)? {
        let number = |at: usize| record[at].parse::<u32>().unwrap_or(0);
        let key = key(record);
        let face = tiles.get(&key).ok_or_else(|| DataError::Empty {
            path: folder.to_owned(),
            reason: format!("tile ({}, {}) of {} is not on the sheet", key.1, key.2, key.0),
        })?;
        let class = EMOTIONS.iter().position(|emotion| *emotion == &record[majority]);
        if split == Split::Train {
            // A single vote is noise (FER+'s own rule).
            let counted: Vec<f32> =
                votes.iter().map(|&v| number(v)).map(|v| if v > 1 { v as f32 } else { 0.0 }).collect();
            let sum: f32 = counted.iter().sum();
            if sum >= 3.0 {
                dataset.train.push_soft(face.clone(), counted.iter().map(|v| v / sum).collect());
            }
        } else if let Some(class) = class {
            dataset.part_mut(split).push(face.clone(), class);
        }
    }
    Ok(dataset)
}

/// Every face of a pack of files with what its table says in some columns, in the table's order.
///
/// # Errors
/// The pack cannot be read or lacks one of the columns.
pub fn load_rows(folder: &Path, columns: &[&str]) -> Result<Vec<(FaceCrop, Vec<String>)>, DataError> {
    let mut rows = Vec::new();
    let tables = Table::of(folder)?;
    for table in &tables {
        let file = table.require("file")?;
        let at = columns.iter().map(|column| table.require(column)).collect::<Result<Vec<_>, _>>()?;
        rows.extend(table.rows.iter().map(|row| {
            (&row[file], columns.iter().zip(&at).map(|(column, &at)| label_text(column, &row[at])).collect::<Vec<_>>())
        }));
    }
    let pictures = read_archives(folder, &rows.iter().map(|(file, _)| *file).collect())?;
    rows.into_iter()
        .map(|(file, cells)| match pictures.get(file) {
            Some(face) => Ok((face.clone(), cells)),
            None => Err(DataError::Empty {
                path: folder.to_owned(),
                reason: format!("'{file}' is in labels.csv but in no archive"),
            }),
        })
        .collect()
}

/// All training faces of a pack or a folder tree, without labels; for the encoder. Of a tree with the folders `train` and
/// `test` those below `train`, of another one all.
///
/// # Errors
/// The data cannot be read.
pub fn load_unlabelled(folder: &Path) -> Result<Vec<FaceCrop>, DataError> {
    if !folder.join("labels.csv").is_file() {
        let parts = super::folder::parts(folder)?;
        return super::folder::load_all(if let [Some(train), _, Some(_)] = &parts { train } else { folder });
    }
    let tables = Table::of(folder)?;
    if tables[0].column("sheet").is_some() {
        let table = &tables[0];
        let key = tile_key(table)?;
        let part = table.require("split")?;
        let tiles = read_sheets(folder)?;
        return Ok(table
            .rows
            .iter()
            .filter(|record| split(&record[part]) == Some(Split::Train))
            .filter_map(|record| tiles.get(&key(record)).cloned())
            .collect());
    }
    let mut wanted = BTreeSet::new();
    for table in &tables {
        let (file, part) = (table.require("file")?, table.require("split")?);
        wanted.extend(table.rows.iter().filter(|row| split(&row[part]) == Some(Split::Train)).map(|row| &row[file]));
    }
    let mut pictures: Vec<_> = read_archives(folder, &wanted)?.into_iter().collect();
    // The order must not depend on a hash.
    pictures.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(pictures.into_iter().map(|(_, face)| face).collect())
}
