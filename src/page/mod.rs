//! The page for a browser: the live picture with its faces, teaching by click. What it asks for is what the services do.

mod access;
mod assets;
mod export;
mod extract;
mod feed;
mod import;
mod listener;
mod live;
mod messages;
mod reply;
mod requests;
mod server;
mod state;

pub(crate) use self::export::sweep;
pub(crate) use self::feed::Page;
pub(crate) use self::server::{Offer, offer};
