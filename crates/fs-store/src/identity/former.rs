//! The identity of the versions before: `local/identity`. It is read once, and emptied.
//!
//! **Invariant**: it is emptied before this version appends as one of its replicas, so that a program of such a version that runs beside this one
//! takes another.

use std::path::PathBuf;

use fs_format::ReplicaId;
use fs_index::Layout;
use fs_io::{Ownership, Site, SyncPolicy, System};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::IdentityError;

const VERSION: u32 = 1;
const LIMIT: u64 = 1 << 20;

/// What a former version wrote about who it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Former {
    version: u32,
    binding: Binding,
    journal: Option<Uuid>,
    pub(super) replicas: Vec<ReplicaId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retired: Vec<ReplicaId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Binding {
    device: Option<u64>,
    inode: Option<u64>,
    machine_id: Option<String>,
}

/// Returns the former identity, where there is one that can be read.
pub(crate) fn former(system: &System, layout: &Layout) -> Option<Former> {
    let bytes = system.disk.read(&path_of(layout), LIMIT).ok()?;
    let former: Former = serde_json::from_slice(&bytes).ok()?;
    (former.version == VERSION).then_some(former)
}

impl Former {
    /// Returns whether it belongs to the store that is here.
    pub(crate) fn is_ours(&self, here: &Site) -> bool {
        let fact = |name, value: Option<String>| value.map(|value| format!("{name}={value}"));
        let facts = [
            fact("machine", self.binding.machine_id.clone()),
            fact("device", self.binding.device.map(|it| it.to_string())),
            fact("inode", self.binding.inode.map(|it| it.to_string())),
        ];
        let facts: Vec<_> = facts.into_iter().flatten().collect();
        Site::parse(&facts.join(" ")).is_some_and(|site| site.judge(here) != Ownership::Copy)
    }

    /// Returns the machine that it was last written on.
    pub(crate) fn machine_id(&self) -> Option<&str> {
        self.binding.machine_id.as_deref()
    }

    /// Retires its replicas, durably.
    pub(super) fn empty(mut self, system: &System, layout: &Layout) -> Result<(), IdentityError> {
        let path = path_of(layout);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| IdentityError::File {
            path: path.clone(),
            source,
        };
        self.retired.append(&mut self.replicas);
        let bytes = serde_json::to_vec(&self).map_err(|source| failed(Box::new(source)))?;
        let temp = layout.temp().join("identity");
        fs_io::replace(
            system.disk.as_ref(),
            &temp,
            &path,
            &bytes,
            SyncPolicy::Durable,
        )
        .map_err(|source| failed(Box::new(source)))
    }
}

fn path_of(layout: &Layout) -> PathBuf {
    layout.local_item("identity")
}
