//! A backup whose files are put into the directory that is there, which no inode tells.

use crate::restored::{Append, Restore, check};

#[test]
fn a_directory_whose_contents_are_restored_goes_on_before_the_pull() {
    check(Restore::InPlace, Append::BeforeAndAfter);
}
