//! The directories and files below `events/`, and what version control does there.

pub(crate) mod changes;
pub(crate) mod compare;
pub(crate) mod directories;
pub(crate) mod file;
pub(crate) mod file_stamp;
pub(crate) mod glance;
pub(crate) mod poll;
pub(crate) mod rejected;
pub(crate) mod scan;
pub(crate) mod working_copy;
