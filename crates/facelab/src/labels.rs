//! Data labelled for one task, seen with a model's labels.

use anyhow::bail;
use learning::LabelledFaces;
use learning::data::argmax;
use network::Label;

/// Faces with a model's labels, and what did not fit.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// The faces whose label the model knows; labels are the model's.
    pub faces: LabelledFaces,
    /// Labels of the data that the model does not know, with their faces, which are left out.
    pub left_out: Vec<(Label, usize)>,
    /// Labels of the model that the data does not have. The model may still answer them, wrongly.
    pub absent: Vec<Label>,
}

/// How two labels are compared: people write `Happy`, `happy` and `60+` alike.
fn folded(label: &Label) -> String {
    label.as_ref().to_lowercase()
}

fn list(labels: &[Label]) -> String {
    labels.iter().map(|label| format!("'{label}'")).collect::<Vec<_>>().join(", ")
}

/// Matches labels by name, upper and lower case being the same.
///
/// # Errors
/// Fewer than two labels match: an accuracy would say nothing.
pub fn onto(data: &LabelledFaces, model: &[Label]) -> anyhow::Result<Mapped> {
    let place = |label: &Label| model.iter().position(|known| folded(known) == folded(label));
    let places: Vec<Option<usize>> = data.labels.iter().map(place).collect();
    let matching = places.iter().flatten().count();
    if matching < 2 {
        bail!(
            "{} of the data's labels are the model's; the data has {}, the model has {}",
            if matching == 0 { "none" } else { "fewer than two" },
            list(&data.labels),
            list(model)
        );
    }
    let mut faces = LabelledFaces::new(model.to_vec());
    let mut left_out = vec![0; data.labels.len()];
    for (face, target) in data.faces.iter().zip(&data.targets) {
        let class = argmax(target);
        if places[class].is_none() {
            left_out[class] += 1;
            continue;
        }
        let mut shares = vec![0.0; model.len()];
        for (share, place) in target.iter().zip(&places) {
            if let Some(place) = place {
                shares[*place] += share;
            }
        }
        let sum: f32 = shares.iter().sum();
        faces.push_soft(face.clone(), shares.into_iter().map(|share| share / sum).collect());
    }
    let unknown = data.labels.iter().zip(&places).zip(&left_out).filter(|((_, place), _)| place.is_none());
    Ok(Mapped {
        faces,
        left_out: unknown.map(|((label, _), &count)| (label.clone(), count)).collect(),
        absent: (0..model.len()).filter(|at| !places.contains(&Some(*at))).map(|at| model[at].clone()).collect(),
    })
}

/// Whether labels have an order, as age groups do: each begins with a number.
pub fn are_ordered(labels: &[Label]) -> bool {
    let number = |label: &Label| {
        let digits: String = label.as_ref().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let numbers: Option<Vec<u32>> = labels.iter().map(number).collect();
    numbers.is_some_and(|numbers| numbers.is_sorted())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn data(names: &[&str], targets: &[&[f32]]) -> LabelledFaces {
        let mut data = LabelledFaces::new(labels(names));
        for target in targets {
            data.push_soft(network::FaceCrop::from_fn(|_| 0), target.to_vec());
        }
        data
    }

    #[test]
    fn labels_are_matched_by_name_in_any_order_and_case() {
        let mapped =
            onto(&data(&["Sad", "happy"], &[&[1.0, 0.0], &[0.0, 1.0]]), &labels(&["happy", "sad", "calm"])).unwrap();
        assert_eq!(mapped.faces.classes(), [1, 0]);
        assert!(mapped.left_out.is_empty());
        assert_eq!(mapped.absent, labels(&["calm"]));
    }

    #[test]
    fn faces_of_an_unknown_label_are_left_out_and_counted() {
        let shares: [&[f32]; 3] = [&[0.2, 0.2, 0.6], &[0.5, 0.3, 0.2], &[0.0, 0.0, 1.0]];
        let mapped = onto(&data(&["a", "b", "x"], &shares), &labels(&["a", "b"])).unwrap();
        assert_eq!(mapped.left_out, [("x".parse().unwrap(), 2)]);
        assert_eq!(mapped.faces.len(), 1);
        assert!((mapped.faces.targets[0].iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn labels_that_do_not_match_are_an_error_that_names_both_sides() {
        let error = onto(&data(&["smile", "neutral"], &[&[1.0, 0.0]]), &labels(&["happiness", "neutral"])).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("'smile'") && message.contains("'happiness'"), "{message}");
    }

    #[test]
    fn age_groups_have_an_order_and_emotions_have_none() {
        assert!(are_ordered(&labels(&["0-2", "3-9", "10-19", "70+"])));
        assert!(!are_ordered(&labels(&["10-19", "0-2"])));
        assert!(!are_ordered(&labels(&["happy", "sad"])));
    }
}
