//! Everything that the call machine and the board promise, tested from outside: by stories, by chance, by every
//! order of the news, and by what is stored.

mod board;
mod carrier;
mod golden;
mod machine;
mod order;
mod plan;
mod stories;
mod world;
