//! `tidy`: what the compiler cannot check about the house.

mod dependencies;
mod house;
mod licence;
mod rules;
mod words;

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::process;

pub(crate) fn run() -> Result<()> {
    let metadata = process::metadata()?;
    let policy = fs::read_to_string("deny.toml").context("cannot read deny.toml")?;

    let mut faults = rules::faults(&house::look_at(&metadata)?);
    faults.extend(dependencies::faults(&metadata, &dependencies::Policy::parse(&policy)?));
    faults.extend(words::faults()?);

    for fault in &faults {
        println!("tidy: {fault}");
    }
    ensure!(faults.is_empty(), "{} breaches of the house rules, listed above", faults.len());
    println!("tidy: all in order");
    Ok(())
}
