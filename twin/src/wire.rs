//! A listener whose connections can be cut by a handler: what "the answer was lost" is on the wire.
//!
//! Dropping the connection below HTTP is the only honest way to lose an answer: an error status or half a body
//! would be an answer. Panicking inside the handler would do the same, and would look like a fault of ours.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The handle a request has on its own connection.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    cut: Arc<AtomicBool>,
    /// The other end.
    pub(crate) peer: SocketAddr,
}

impl Wire {
    /// Nothing more is written on this connection; the first attempt closes it.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

pub(crate) struct Exchange(pub(crate) TcpListener);

pub(crate) struct Line {
    stream: TcpStream,
    wire: Wire,
}

impl Listener for Exchange {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        // A stalled acknowledgement on loopback costs 40 ms; Nagle's algorithm has nothing to gain here.
        let _ = stream.set_nodelay(true);
        (
            Line {
                stream,
                wire: Wire {
                    cut: Arc::default(),
                    peer: addr,
                },
            },
            addr,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Listener::local_addr(&self.0)
    }
}

impl Connected<IncomingStream<'_, Exchange>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Exchange>) -> Self {
        stream.io().wire.clone()
    }
}

impl Line {
    fn check(&self) -> io::Result<()> {
        if self.wire.cut.load(Ordering::SeqCst) {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
