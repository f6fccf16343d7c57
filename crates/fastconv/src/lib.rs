//! fastconv
