//! Mail. So far only the mailbox of `signet dev`, in which it can be read.

pub mod mailbox;
