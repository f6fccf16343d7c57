//! Values on the command line.

use learning::began::Phase;
use learning::refine::RefinePhase;
use network::TaskName;
use std::path::PathBuf;
use std::str::FromStr;

/// Faces per step.
pub fn parse_batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(batch @ 1..=4096) => Ok(batch),
        _ => Err("the batch must be a number from 1 to 4096".into()),
    }
}

/// A picture side with steps.
pub fn parse_side(text: &str) -> Result<Phase, String> {
    let (side, steps) = text.split_once(':').ok_or("expected SIDE:STEPS, such as 64:20000")?;
    let side = usize::from_str(side).map_err(|e| format!("side '{side}': {e}"))?;
    let steps = u32::from_str(steps).map_err(|e| format!("steps '{steps}': {e}"))?;
    if [16, 32, 64, 128].contains(&side) {
        Ok(Phase { side, steps })
    } else {
        Err("side must be 16, 32, 64 or 128".into())
    }
}

pub fn parse_phase(text: &str) -> Result<RefinePhase, String> {
    let (plain, zoom) = match text.splitn(3, ':').collect::<Vec<_>>()[..] {
        [side, steps, zoom] => (format!("{side}:{steps}"), zoom.parse().map_err(|e| format!("zoom '{zoom}': {e}"))?),
        _ => (text.to_owned(), 1.0),
    };
    let phase = parse_side(&plain)?;
    // Heads read 4×4 pixels of features, each of which stands for 8×8 of the face.
    if phase.side < 32 {
        return Err("side must be 32, 64 or 128".into());
    }
    if !(1.0..=4.0).contains(&zoom) {
        return Err("zoom must be from 1 to 4".into());
    }
    Ok(RefinePhase { side: phase.side, steps: phase.steps, zoom })
}

pub fn parse_text(text: &str) -> Result<(TaskName, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, with a task's name")?;
    Ok((name.parse().map_err(|error| format!("{error}"))?, value.to_owned()))
}

pub fn parse_task(text: &str) -> Result<(TaskName, PathBuf), String> {
    parse_text(text).map(|(name, path)| (name, path.into()))
}

/// A pack, and where its descriptors lie when not beside it.
pub fn parse_described(text: &str) -> Result<(PathBuf, Option<PathBuf>), String> {
    Ok(match text.split_once('=') {
        Some((pack, files)) => (pack.into(), Some(files.into())),
        None => (text.into(), None),
    })
}

pub fn parse_below_one<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    match text.parse() {
        Ok(share) if (T::from(0)..T::from(1)).contains(&share) => Ok(share),
        _ => Err("the share must be a number from 0 to below 1".into()),
    }
}

pub fn parse_times(text: &str) -> Result<(TaskName, usize), String> {
    let (name, times) = parse_text(text)?;
    match times.parse() {
        Ok(times @ 1..=100) => Ok((name, times)),
        _ => Err("expected how often, from 1 to 100".into()),
    }
}

pub fn parse_named_share(text: &str) -> Result<(TaskName, f32), String> {
    let (name, share) = parse_text(text)?;
    Ok((name, parse_share(&share)?))
}

/// What a label may give to its neighbours and still be the largest.
pub fn parse_share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if (0.0..=0.6).contains(&share) => Ok(share),
        _ => Err("the share must be a number from 0 to 0.6".into()),
    }
}

pub fn parse_weight(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
        _ => Err("the weight must be a number from 0 on".into()),
    }
}
