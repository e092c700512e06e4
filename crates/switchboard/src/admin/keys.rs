//! `admin make-keys`: what a new installation needs in secrets, as files, and the configuration that names them.

use std::{fmt::Write as _, path::Path};

use auth::Service;
use kernel::ids::SystemIds;

use super::line;
use crate::data::Data;

/// Writes the keys that are not there yet and prints the configuration.
pub(super) fn make(folder: &Path) -> anyhow::Result<()> {
    let data = Data::open(folder)?;
    let ids = SystemIds::new();
    let mut text = String::from("[keys]\n");
    for name in ["kek", "page", "pepper"] {
        data.random_key(name, &ids)?;
        writeln!(text, "{name} = \"file:{}\"", data.path("keys").join(name).display())?;
    }
    let mut public = String::from("\n[identity.service_keys]\n");
    for service in Service::ALL {
        let (_, half) = data.service_key(service.as_str())?;
        let path = data.path("keys").join(format!("{}.key", service.as_str()));
        writeln!(text, "\n[services.{}]\nkey = \"file:{}\"", service.as_str(), path.display())?;
        writeln!(public, "{} = [\"{half}\"]", service.as_str())?;
    }
    line(&format!("{text}{public}"));
    Ok(())
}
