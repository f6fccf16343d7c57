//! FER+ (Barsoum et al. 2016): the pixels of FER-2013's table and the votes of its own.

use super::{is_taken, pack::Tally};
use crate::common::{make_parent, write_file};
use anyhow::{Context, bail};
use image::{GrayImage, Luma};
use std::path::Path;

/// Side of a face, pixels.
const TILE: u32 = 48;
/// Faces of a sheet, across and down.
const ACROSS: u32 = 50;
const DOWN: u32 = 40;
/// Votes, in the order of the table.
const VOTES: [&str; 10] =
    ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"];

/// Makes a pack of sheets of tiles, the votes beside them. At most `limit` faces, evenly over all parts; 0: all.
///
/// # Errors
/// A table is missing or not as its authors made it, or the disk refuses.
pub fn import(folder: &Path, out: &Path, limit: usize) -> anyhow::Result<Tally> {
    let open = |name: &str| {
        let path = folder.join(name);
        csv::Reader::from_path(&path).with_context(|| format!("reading {}", path.display()))
    };
    // Rows without a name were taken out by the authors: no face is to be seen.
    let named = |votes: &csv::StringRecord| votes.get(1).is_some_and(|name| !name.trim().is_empty());
    let mut total = 0;
    for votes in open("fer2013new.csv")?.records() {
        total += usize::from(named(&votes?));
    }
    let mut at = 0;
    let (mut pixels, mut votes) = (open("fer2013.csv")?, open("fer2013new.csv")?);
    let mut table = String::from("sheet,tile,row,col,split,emotion8,");
    table += &VOTES.map(|vote| format!("v_{vote}")).join(",");
    table.push('\n');
    let (mut tally, mut sheet, mut number) = (Tally::default(), GrayImage::new(ACROSS * TILE, DOWN * TILE), 0u32);
    for (line, (face, votes)) in pixels.records().zip(votes.records()).enumerate() {
        let line = line + 2;
        let (face, votes) = (face?, votes?);
        // Usage, image name, then the votes.
        if !named(&votes) {
            tally.left_out += 1;
            continue;
        }
        at += 1;
        if !is_taken(at - 1, total, limit) {
            continue;
        }
        let split = match votes.get(0).unwrap_or_default() {
            "Training" => "train",
            "PublicTest" => "val",
            "PrivateTest" => "test",
            other => bail!("fer2013new.csv: line {line}: usage '{other}' is none of Training, PublicTest, PrivateTest"),
        };
        let counts: Vec<u32> =
            (0..VOTES.len()).map(|at| votes.get(at + 2).and_then(|v| v.parse().ok()).unwrap_or(0)).collect();
        let grey: Vec<u8> = face.get(1).unwrap_or_default().split(' ').filter_map(|v| v.parse().ok()).collect();
        if grey.len() != (TILE * TILE) as usize {
            bail!("fer2013.csv: line {line}: {} pixels, not {TILE} × {TILE}", grey.len());
        }
        let tile = tally.taken as u32 % (ACROSS * DOWN);
        if tile == 0 && tally.taken > 0 {
            save(&sheet, out, number)?;
            (sheet, number) = (GrayImage::new(ACROSS * TILE, DOWN * TILE), number + 1);
        }
        let (row, column) = (tile / ACROSS, tile % ACROSS);
        for (at, value) in grey.iter().enumerate() {
            let at = at as u32;
            sheet.put_pixel(column * TILE + at % TILE, row * TILE + at / TILE, Luma([*value]));
        }
        let cells: Vec<String> = counts.iter().map(u32::to_string).collect();
        table += &format!("{},{tile},{row},{column},{split},{},{}\n", name(number), majority(&counts), cells.join(","));
        tally.taken += 1;
    }
    if tally.taken == 0 {
        bail!("{} has no faces", folder.display());
    }
    save(&sheet, out, number)?;
    write_file(&out.join("labels.csv"), table.as_bytes())?;
    Ok(tally)
}

/// The emotion with more than half of the votes, as the authors' majority mode; else nothing.
fn majority(counts: &[u32]) -> &'static str {
    let all: u32 = counts.iter().sum();
    let best = counts.iter().enumerate().max_by_key(|(_, count)| **count).map_or(0, |(at, _)| at);
    if best < 8 && counts[best] * 2 > all { VOTES[best] } else { "" }
}

fn name(sheet: u32) -> String {
    format!("ferplus_{sheet:02}.png")
}

fn save(sheet: &GrayImage, out: &Path, number: u32) -> anyhow::Result<()> {
    let path = out.join(name(number));
    make_parent(&path)?;
    sheet.save(&path).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_tables_become_a_pack_that_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let pixels = |grey: u8| vec![grey.to_string(); 48 * 48].join(" ");
        let faces = format!(
            "emotion,pixels,Usage\n0,{},Training\n0,{},Training\n3,{},PublicTest\n",
            pixels(10),
            pixels(20),
            pixels(30)
        );
        std::fs::write(dir.path().join("fer2013.csv"), faces).unwrap();
        let votes = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n\
            Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\nTraining,,0,0,0,0,0,0,0,0,0,10\nPublicTest,fer0000002.png,0,8,0,0,0,0,0,0,2,0\n";
        std::fs::write(dir.path().join("fer2013new.csv"), votes).unwrap();
        let out = dir.path().join("pack");
        let tally = import(dir.path(), &out, 0).unwrap();
        assert_eq!((tally.taken, tally.left_out), (2, 1));
        let pack = learning::data::load_pack(&out, "emotion", None).unwrap();
        assert_eq!((pack.train.len(), pack.val.len()), (1, 1));
        assert!((pack.train.targets[0][0] - 4.0 / 9.0).abs() < 1e-6, "single votes do not count");
        assert_eq!((pack.val.classes(), pack.val.faces[0][0]), (vec![1], 30));
    }
}
