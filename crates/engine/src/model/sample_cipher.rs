//! Crops at rest, encrypted: XChaCha20-Poly1305 under a key from a file.
//!
//! An encrypted file is [`MAGIC`], a random nonce of 24 bytes, the ciphertext and its tag of 16 bytes. It keeps its name, so a
//! crop is encrypted by one renaming.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, Generate, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::model::disk::{self, Links};

/// The first bytes of an encrypted file; no PNG begins so.
pub(crate) const MAGIC: &[u8] = b"face_attributes encrypted 1\n";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Encrypts and decrypts crops.
pub(crate) struct SampleCipher(XChaCha20Poly1305);

impl std::fmt::Debug for SampleCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SampleCipher")
    }
}

/// Whether a file's bytes are encrypted.
pub(crate) fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl SampleCipher {
    /// Reads a key: 32 random bytes in a file that only its owner may read, or that systemd gives as a credential.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it has another size; in words.
    pub(crate) fn from_file(path: &Path) -> Result<Self, String> {
        let said = |error: std::io::Error| format!("{}: {error}", path.display());
        let mode = std::fs::metadata(path).map_err(said)?.permissions().mode() & 0o777;
        // systemd keeps its folder of credentials from other users, whatever the modes in it.
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").and_then(|dir| Path::new(&dir).canonicalize().ok());
        let credential = credentials.zip(path.canonicalize().ok()).is_some_and(|(dir, path)| path.starts_with(dir));
        if mode & 0o077 != 0 && !credential {
            return Err(format!("{}: others may read it (mode {mode:03o}); chmod 600", path.display()));
        }
        let bytes = disk::read_file(path, 1 << 12, Links::Followed).map_err(said)?;
        let found = bytes.len();
        XChaCha20Poly1305::new_from_slice(&bytes)
            .map(Self)
            .map_err(|_| format!("{}: expected {KEY_BYTES} bytes, found {found}", path.display()))
    }

    /// Encrypts a file's content.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let nonce = XNonce::try_generate().map_err(|error| error.to_string())?;
        let cipher = self.0.encrypt(&nonce, plain).map_err(|error| error.to_string())?;
        Ok([MAGIC, nonce.as_slice(), &cipher].concat())
    }

    /// Decrypts what [`Self::encrypt`] made; none: it was made with another key, or changed.
    pub(crate) fn decrypt(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (nonce, cipher) = encrypted.strip_prefix(MAGIC)?.split_at_checked(NONCE_BYTES)?;
        self.0.decrypt(&XNonce::try_from(nonce).ok()?, cipher).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn cipher(dir: &Path, name: &str, byte: u8) -> SampleCipher {
        SampleCipher::from_file(&key(dir, name, &[byte; KEY_BYTES], 0o600)).unwrap()
    }

    fn key(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> std::path::PathBuf {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    proptest! {
        #[test]
        fn what_was_encrypted_opens_with_its_key_alone_and_unchanged(plain: Vec<u8>, at: usize, bit in 0u32..8) {
            let dir = tempfile::tempdir().unwrap();
            let (ours, other) = (cipher(dir.path(), "ours", 1), cipher(dir.path(), "other", 2));
            let encrypted = ours.encrypt(&plain).unwrap();
            prop_assert!(is_encrypted(&encrypted) && !is_encrypted(&plain));
            prop_assert_ne!(&encrypted, &ours.encrypt(&plain).unwrap());
            prop_assert_eq!(ours.decrypt(&encrypted), Some(plain));
            prop_assert_eq!(other.decrypt(&encrypted), None);
            let mut changed = encrypted.clone();
            changed[at % encrypted.len()] ^= 1u8 << bit;
            prop_assert_eq!(ours.decrypt(&changed), None);
            prop_assert_eq!(ours.decrypt(&encrypted[..at % encrypted.len()]), None);
        }
    }

    #[test]
    fn a_key_is_32_bytes_that_nobody_else_may_read() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |bytes: &[u8], mode| SampleCipher::from_file(&key(dir.path(), "key", bytes, mode)).unwrap_err();
        assert!(refused(&[1; 31], 0o600).contains("expected 32 bytes, found 31"));
        assert!(refused(&[1; 32], 0o640).contains("others may read it (mode 640)"));
        assert!(SampleCipher::from_file(&dir.path().join("none")).unwrap_err().contains("none"));
        assert_eq!(format!("{:?}", cipher(dir.path(), "ours", 7)), "SampleCipher");
    }
}
