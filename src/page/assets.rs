//! The files of the page, in the program.

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::reply::Refused;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const SVG: &str = "image/svg+xml";

/// Address, type and content of a file in `page/`.
macro_rules! files {
    ($($name:literal: $kind:ident,)*) => {
        &[$(($name, $kind, include_str!(concat!("../../page/", $name)))),*]
    };
}

const FILES: &[(&str, &str, &str)] = files! {
    "index.html": HTML,
    "page.css": CSS,
    "css/live.css": CSS,
    "css/narrow.css": CSS,
    "css/teach.css": CSS,
    "icons.svg": SVG,
    "js/api.js": SCRIPT,
    "js/capture.js": SCRIPT,
    "js/chips.js": SCRIPT,
    "js/connection.js": SCRIPT,
    "js/crops.js": SCRIPT,
    "js/dialogs.js": SCRIPT,
    "js/dom.js": SCRIPT,
    "js/explain.js": SCRIPT,
    "js/faces.js": SCRIPT,
    "js/health.js": SCRIPT,
    "js/history.js": SCRIPT,
    "js/main.js": SCRIPT,
    "js/picture.js": SCRIPT,
    "js/store.js": SCRIPT,
    "js/tasks.js": SCRIPT,
    "js/teach.js": SCRIPT,
    "js/tracks.js": SCRIPT,
    "js/training.js": SCRIPT,
};

/// A file, or that there is none.
pub(super) async fn answer(method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Refused(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for {}", uri.path())).into_response();
    }
    let wanted = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    match FILES.iter().find(|(name, ..)| *name == wanted) {
        Some((_, kind, content)) => ([(header::CONTENT_TYPE, *kind)], *content).into_response(),
        None => Refused(StatusCode::NOT_FOUND, format!("there is no {}", uri.path())).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn files_below(folder: &Path, found: &mut Vec<String>, root: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files_below(&path, found, root);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_page_is_in_the_program() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/page"));
        let (mut there, mut served) = (vec![], FILES.iter().map(|(name, ..)| (*name).to_owned()).collect::<Vec<_>>());
        files_below(root, &mut there, root);
        there.retain(|name| !name.ends_with(".md"));
        there.sort();
        served.sort();
        assert_eq!(there, served);
    }

    #[test]
    fn nothing_is_taken_from_elsewhere() {
        for (name, _, content) in FILES {
            let foreign =
                content.split(['"', '\'', '(', ' ']).find(|word| word.contains("://") || word.starts_with("//www"));
            assert!(foreign.is_none_or(|word| word.starts_with("http://www.w3.org/")), "{name}: {foreign:?}");
        }
    }
}
