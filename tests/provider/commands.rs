//! The commands as scripts see them: the real binary, its exit status, standard output and standard error.

mod accounts;
mod binary;
mod clients;
mod gate;
mod keys;
mod lines;
mod operations;
mod providers;
mod server;
