//! The model on disk: what ships, what was taught on top of it, and the samples that it was taught with.

#[cfg(feature = "perception")]
pub(crate) mod damage;
pub(crate) mod disk;
#[cfg(feature = "perception")]
pub(crate) mod heads;
#[cfg(feature = "perception")]
pub(crate) mod load;
pub(crate) mod manifest;
pub(crate) mod parts;
#[cfg(feature = "perception")]
pub(crate) mod repair;
#[cfg(feature = "perception")]
pub(crate) mod sample_cipher;
#[cfg(feature = "perception")]
pub(crate) mod sample_error;
#[cfg(feature = "perception")]
pub(crate) mod sample_index;
#[cfg(feature = "perception")]
pub(crate) mod sample_list;
#[cfg(feature = "perception")]
pub(crate) mod sample_pictures;
#[cfg(feature = "perception")]
pub(crate) mod sample_reading;
#[cfg(feature = "perception")]
pub(crate) mod samples;
#[cfg(feature = "perception")]
pub(crate) mod samples_aside;
#[cfg(feature = "perception")]
pub(crate) mod samples_encrypted;
#[cfg(feature = "perception")]
pub(crate) mod state;
pub(crate) mod store;
pub(crate) mod store_error;
#[cfg(test)]
pub(crate) mod testing;
