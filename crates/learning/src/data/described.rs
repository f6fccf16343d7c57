//! Faces with descriptors of a teacher: `labels.dlib128.f16` beside `labels.csv`, as `scripts/teacher-targets` makes it.

use super::packs::{read_archives, read_sheets, tile_key};
use super::tables::{Table, split};
use super::{DataError, FaceCrop, Split, io};
use half::f16;
use std::path::{Path, PathBuf};

/// Values of a descriptor.
pub const DESCRIPTOR: usize = 128;

/// Faces, and what a teacher says of who is on each.
#[derive(Debug, Clone, Default)]
pub struct DescribedFaces {
    /// The pictures.
    pub faces: Vec<FaceCrop>,
    /// [`DESCRIPTOR`] values for each, of any length.
    pub descriptors: Vec<Vec<f32>>,
}

impl DescribedFaces {
    /// Number of faces.
    pub fn len(&self) -> usize {
        self.faces.len()
    }

    /// Whether there is no face.
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }

    /// With the faces of another set behind these.
    pub fn extend(&mut self, other: Self) {
        self.faces.extend(other.faces);
        self.descriptors.extend(other.descriptors);
    }

    /// At most `most` faces, spread evenly over all; 0 keeps all.
    pub fn spread(&self, most: usize) -> Self {
        if most == 0 || self.len() <= most {
            return self.clone();
        }
        let at = |nth: usize| nth * self.len() / most;
        Self {
            faces: (0..most).map(|nth| self.faces[at(nth)].clone()).collect(),
            descriptors: (0..most).map(|nth| self.descriptors[at(nth)].clone()).collect(),
        }
    }
}

/// One part of a pack's faces with their descriptors, one file of descriptors a table: for `labels_extra.csv` it is
/// `labels_extra.dlib128.f16`, one row of [`DESCRIPTOR`] little-endian half-precision values for each row of the table. The files lie in
/// `descriptors`, or beside the tables where none is given.
///
/// # Errors
/// The pack or a file cannot be read, or has another number of rows than its table.
pub fn load_described(folder: &Path, descriptors: Option<&Path>, part: Split) -> Result<DescribedFaces, DataError> {
    let tables = Table::of(folder)?;
    let mut described = DescribedFaces::default();
    for table in &tables {
        let path = descriptors.unwrap_or(folder).join(file_name(&table.path));
        let values = read(&path, table.rows.len())?;
        let of_split = table.require("split")?;
        let rows = table.rows.iter().zip(values).filter(|(row, _)| split(&row[of_split]) == Some(part));
        let rows: Vec<_> = rows.collect();
        let faces: Vec<Option<FaceCrop>> = if table.column("sheet").is_some() {
            let tiles = read_sheets(folder)?;
            let key = tile_key(table)?;
            rows.iter().map(|(row, _)| tiles.get(&key(row)).cloned()).collect()
        } else {
            let file = table.require("file")?;
            let pictures = read_archives(folder, &rows.iter().map(|(row, _)| &row[file]).collect())?;
            rows.iter().map(|(row, _)| pictures.get(&row[file]).cloned()).collect()
        };
        for (face, (_, values)) in faces.into_iter().zip(rows) {
            described.faces.push(face.ok_or_else(|| DataError::Empty {
                path: table.path.clone(),
                reason: "a picture that it names is in no archive and on no sheet".into(),
            })?);
            described.descriptors.push(values);
        }
    }
    Ok(described)
}

fn file_name(table: &Path) -> PathBuf {
    let stem = table.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{stem}.dlib128.f16").into()
}

fn read(path: &Path, rows: usize) -> Result<Vec<Vec<f32>>, DataError> {
    let bytes = std::fs::read(path).map_err(io(path))?;
    let expected = rows * DESCRIPTOR * size_of::<f16>();
    let wrong = |reason| DataError::Empty { path: path.to_owned(), reason };
    if bytes.len() != expected {
        return Err(wrong(format!("{} bytes, but its table's {rows} rows need {expected}", bytes.len())));
    }
    let values = bytes.chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32());
    let values: Vec<f32> = values.collect();
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(wrong(format!("row {} holds a value that is not finite", at / DESCRIPTOR + 1)));
    }
    Ok(values.chunks_exact(DESCRIPTOR).map(<[f32]>::to_vec).collect())
}
