//! The way from one browser to a server, which can be shut, as when somebody's network is gone.
//!
//! Shut, it takes everything away that was open: the browser is told so at once, as by a machine that has lost its
//! network, and the server is told nothing, as by a machine that cannot. What is tried meanwhile fails. Everybody else
//! goes on reaching the server, and the browser everything else.
//!
//! No assertion about Cordboard's behaviour belongs here. Read next: [`crate::browser::Plan`], `it/phone/lost.rs`.

use std::net::Ipv4Addr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A way to a server of this machine. It is there until it is dropped.
pub struct Relay {
    /// Where the server listens, and where the way to it begins: what [`crate::browser::Plan::detour`] wants.
    pub ports: (u16, u16),
    turns: watch::Sender<u32>,
}

/// It is shut at every odd turn.
const fn is_shut(turn: u32) -> bool {
    turn % 2 == 1
}

impl Relay {
    /// A way, open, to the server at that port.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (turns, turn) = watch::channel(0);
        tokio::spawn(async move {
            let mut over = turn.clone();
            loop {
                tokio::select! {
                    _ = over.wait_for(|_| false) => return,
                    Ok((near, _)) = listener.accept() => {
                        let now = *turn.borrow();
                        if !is_shut(now) {
                            tokio::spawn(carry(near, server, now, turn.clone()));
                        }
                    }
                }
            }
        });
        Self {
            ports: (server, address.port()),
            turns,
        }
    }

    /// Nothing comes through any more.
    pub fn shut(&self) {
        self.turns
            .send_modify(|turn| *turn += u32::from(!is_shut(*turn)));
    }

    /// What is opened from now on comes through. What was open before is gone.
    pub fn open(&self) {
        self.turns
            .send_modify(|turn| *turn += u32::from(is_shut(*turn)));
    }
}

async fn carry(mut near: TcpStream, server: u16, opened: u32, mut turn: watch::Receiver<u32>) {
    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else {
        return;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
        _ = turn.wait_for(|turn| *turn != opened) => {}
    }
    drop(near);
    // Nobody tells the server: for it the connection is open, and silent, for as long as the way is there.
    let _ = turn.wait_for(|_| false).await;
    drop(far);
}
