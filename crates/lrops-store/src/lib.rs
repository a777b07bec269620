//! Blobs and trees on disk: OCI layout, archives, layer tars, step records, validation, collection.
//!
//! Reading order: [`store`] says what lies where; [`layout`] and [`archive`] are places for blobs, [`transfer`] moves
//! whole images between such places; [`tree`], [`layer`] and [`unpack`] turn files into layers and back; [`records`]
//! remember what steps came to, [`uploads`] how far pushes are; [`exchange`] is where other builders read and write; [`collect`] makes room; [`verify`] proves images.
//!
//! Invariants: a blob, snapshot or record exists completely or not at all · nothing is believed before its digest was
//! computed · no path leaves the root it was given.

pub mod archive;
pub mod collect;
mod durable;
pub mod exchange;
pub mod layer;
pub mod layout;
pub mod records;
pub mod store;
pub mod transfer;
pub mod tree;
pub mod unpack;
pub mod uploads;
pub mod verify;

#[cfg(test)]
mod sample;
