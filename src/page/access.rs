//! Who may look at the page, and ask for something.
//!
//! Pages of others that are open in the same browser send requests, too: they have an `Origin` of their own. A name that such a page has made
//! point to this machine is not among the names that this server answers to. On an address that other machines reach, a token is needed.

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};

/// In the state folder, mode 600.
pub(super) const TOKEN_FILE: &str = "page_token";
/// Where a browser keeps the token.
const COOKIE: &str = "face_attributes_token";
/// Letters of a token: 128 bits.
const TOKEN_LENGTH: usize = 32;

/// What is asked of whoever comes.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// None: this machine alone reaches the address.
    token: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Granted,
    /// The token came with the address: it is kept in a cookie, and the browser goes on without it.
    Welcome(String),
    Refused(StatusCode, &'static str),
}

impl Access {
    /// For a server on this address. A token that did not exist is made; then it is returned, too, to be told once.
    ///
    /// # Errors
    /// The token can be neither read nor written.
    pub(super) fn on(address: IpAddr, state_dir: &Path) -> io::Result<(Self, Option<String>)> {
        if address.is_loopback() {
            return Ok((Self { token: None }, None));
        }
        let path = state_dir.join(TOKEN_FILE);
        match kept_token(&path) {
            Ok(kept) if is_token(kept.trim()) => {
                return Ok((Self { token: Some(kept.trim().to_owned()) }, None));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let token = new_token()?;
        std::fs::create_dir_all(state_dir)?;
        // Not over what is there: it may be a link, or readable by others.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        io::Write::write_all(&mut file, token.as_bytes())?;
        file.sync_all()?;
        Ok((Self { token: Some(token.clone()) }, Some(token)))
    }

    /// Looks at a request before anything else does.
    pub(super) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Entry {
        let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
        let Some(host) = text(header::HOST) else {
            return Entry::Refused(StatusCode::BAD_REQUEST, "the request names no host");
        };
        if self.token.is_none() && !is_this_machine(host) {
            return Entry::Refused(StatusCode::FORBIDDEN, "this page answers to localhost and 127.0.0.1 alone");
        }
        let origin = text(header::ORIGIN);
        let changes = *method != Method::GET && *method != Method::HEAD;
        // A browser names the origin whenever a script opens a socket.
        let must_name_it = changes || uri.path() == "/live";
        let is_own = |origin: &str| origin.strip_prefix("http://") == Some(host);
        let site = text(header::HeaderName::from_static("sec-fetch-site"));
        let from_elsewhere = site.is_some_and(|site| !matches!(site, "same-origin" | "none")) && uri.path() != "/";
        if from_elsewhere || origin.is_some_and(|origin| !is_own(origin)) || (must_name_it && origin.is_none()) {
            return Entry::Refused(StatusCode::FORBIDDEN, "the request comes from another page");
        }
        let Some(token) = &self.token else { return Entry::Granted };
        if let ("/", Some(given)) = (uri.path(), uri.query().and_then(|query| query.strip_prefix("token="))) {
            return if is_same(given, token) {
                Entry::Welcome(format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000"))
            } else {
                Entry::Refused(StatusCode::UNAUTHORIZED, "the token is wrong")
            };
        }
        let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = text(header::COOKIE).into_iter().flat_map(|cookies| cookies.split(';'));
        let kept = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
        if bearer.or(kept.map(|(_, value)| value)).is_some_and(|given| is_same(given, token)) {
            Entry::Granted
        } else {
            Entry::Refused(
                StatusCode::UNAUTHORIZED,
                "open the address with ?token=…; page_token in the state folder has it",
            )
        }
    }
}

/// What the file says; nothing where it is none that this node would write, which is then replaced.
fn kept_token(path: &Path) -> io::Result<String> {
    let about = std::fs::symlink_metadata(path)?;
    let is_ours = about.is_file() && about.len() < 100 && about.permissions().mode() & 0o077 == 0;
    if is_ours { std::fs::read_to_string(path) } else { Ok(String::new()) }
}

fn is_token(text: &str) -> bool {
    text.len() == TOKEN_LENGTH && text.bytes().all(|letter| letter.is_ascii_hexdigit())
}

fn new_token() -> io::Result<String> {
    let mut bytes = [0u8; TOKEN_LENGTH / 2];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// In constant time.
fn is_same(given: &str, token: &str) -> bool {
    given.len() == token.len() && given.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Whether a `Host` is a name of this machine that no name server decides about.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(access: &Access, method: Method, uri: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        match access.check(&method, &uri.parse().unwrap(), &map) {
            Entry::Granted => 200,
            Entry::Welcome(_) => 303,
            Entry::Refused(status, _) => status.as_u16(),
        }
    }

    #[test]
    fn this_machine_is_let_in_and_pages_of_others_are_not() {
        let access = Access { token: None };
        let own = ("host", "localhost:8765");
        let origin = ("origin", "http://localhost:8765");
        assert_eq!(check(&access, Method::GET, "/", &[own]), 200);
        assert_eq!(check(&access, Method::GET, "/", &[("host", "[::1]:8765")]), 200);
        assert_eq!(check(&access, Method::POST, "/api/teach", &[own, origin]), 200);
        assert_eq!(check(&access, Method::GET, "/live", &[own, origin]), 200);
        // A name that somebody made point here.
        assert_eq!(check(&access, Method::GET, "/", &[("host", "evil.example:8765")]), 403);
        assert_eq!(check(&access, Method::GET, "/", &[("host", "127.0.0.1.evil.example")]), 403);
        assert_eq!(check(&access, Method::GET, "/", &[]), 400);
        for other in ["http://evil.example", "http://localhost:1", "null", "https://localhost:8765"] {
            assert_eq!(check(&access, Method::POST, "/api/teach", &[own, ("origin", other)]), 403, "{other}");
        }
        assert_eq!(check(&access, Method::POST, "/api/teach", &[own]), 403);
        assert_eq!(check(&access, Method::GET, "/live", &[own]), 403);
        let from_elsewhere = ("sec-fetch-site", "cross-site");
        assert_eq!(check(&access, Method::GET, "/api/sample?task=who&id=0", &[own, from_elsewhere]), 403);
        // A link to the page may be anywhere.
        assert_eq!(check(&access, Method::GET, "/", &[own, from_elsewhere]), 200);
    }

    #[test]
    fn on_an_address_of_others_a_token_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let (access, made) = Access::on("0.0.0.0".parse().unwrap(), &state).unwrap();
        let token = made.unwrap();
        assert_eq!(std::fs::metadata(state.join(TOKEN_FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        let host = ("host", "robot.local:8765");
        assert_eq!(check(&access, Method::GET, "/", &[host]), 401);
        assert_eq!(check(&access, Method::GET, "/?token=00", &[host]), 401);
        assert_eq!(check(&access, Method::GET, &format!("/?token={token}"), &[host]), 303);
        let (cookie, bearer) = (format!("a=b; {COOKIE}={token}"), format!("Bearer {token}"));
        assert_eq!(check(&access, Method::GET, "/js/main.js", &[host, ("cookie", &cookie)]), 200);
        assert_eq!(check(&access, Method::GET, "/api/samples?task=who", &[host, ("authorization", &bearer)]), 200);
        assert_eq!(check(&access, Method::POST, "/api/teach", &[host, ("cookie", &cookie)]), 403);
        // The next start takes the same, and does not tell it again.
        let (again, told) = Access::on("0.0.0.0".parse().unwrap(), &state).unwrap();
        assert_eq!((again.token, told), (access.token, None));
    }

    #[test]
    fn a_token_that_others_could_read_or_choose_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join(TOKEN_FILE), dir.path().join("elsewhere"));
        let known = "00112233445566778899aabbccddeeff";
        std::fs::write(&elsewhere, known).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let address = "0.0.0.0".parse().unwrap();
        let (_, made) = Access::on(address, dir.path()).unwrap();
        assert!(made.is_some_and(|token| token != known) && !path.is_symlink());
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), known);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Access::on(address, dir.path()).unwrap().1.is_some());
        assert!(Access::on(address, dir.path()).unwrap().1.is_none());
    }

    #[test]
    fn a_broken_token_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TOKEN_FILE);
        std::fs::write(&path, "short").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (_, made) = Access::on("192.168.0.2".parse().unwrap(), dir.path()).unwrap();
        assert!(made.is_some_and(|token| is_token(&token)));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Access::on("127.0.0.1".parse().unwrap(), dir.path()).unwrap().0.token.is_none());
    }
}
