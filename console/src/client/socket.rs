//! The two WebSockets, for verbs and pretend softphones: one message after another, each a JSON text frame.
//!
//! It must not connect again by itself, nor keep anything for later. The console has its own link
//! ([`crate::net`]), which lives for hours.
//!
//! Read next: [`cordboard_core::wire`].

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use url::Url;

use super::{
    LONGEST,
    error::ClientError,
    http::{CONNECT, Http},
};

/// A WebSocket that carries `Out` to the server and `In` from it, each as a JSON text frame.
#[derive(Debug)]
pub struct Socket<Out, In> {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    base: Url,
    kinds: std::marker::PhantomData<fn(Out) -> In>,
}

impl<Out, In> Socket<Out, In> {
    /// Opens the one at `path`, such as `ws/console`.
    pub(super) async fn open(
        http: &Http,
        path: &str,
        bearer: Option<&SecretString>,
    ) -> Result<Self, ClientError> {
        let mut url = http.url().join(path).map_err(|e| http.garbled(&e))?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme)
            .map_err(|()| http.garbled(&"no address for a socket"))?;
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|e| http.garbled(&e))?;
        if let Some(token) = bearer {
            // In a header, never in the URL, where logs would keep it.
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| http.garbled(&"a token that no header can carry"))?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(LONGEST))
            .max_frame_size(Some(LONGEST));
        let opening = Box::pin(connect_async_with_config(request, Some(config), true));
        match tokio::time::timeout(CONNECT, opening).await {
            Ok(Ok((stream, _))) => Ok(Self {
                stream,
                base: http.url().clone(),
                kinds: std::marker::PhantomData,
            }),
            Ok(Err(tungstenite::Error::Http(response))) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(http.refused(response.status(), None, body, false))
            }
            Ok(Err(e)) => Err(http.unreachable(e.to_string())),
            Err(_) => Err(http.unreachable("no answer in time".to_owned())),
        }
    }
}

impl<Out: Serialize, In: DeserializeOwned> Socket<Out, In> {
    /// Sends one message.
    pub async fn send(&mut self, message: &Out) -> Result<(), ClientError> {
        let text = serde_json::to_string(message).map_err(|e| self.broken(&e))?;
        self.stream
            .send(Message::text(text))
            .await
            .map_err(|e| self.broken(&e))
    }

    /// The next message. A socket that closes is [`ClientError::Unreachable`]. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Result<In, ClientError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|e| ClientError::Garbled {
                        url: self.base.clone(),
                        what: e.to_string(),
                    });
                }
                Some(Ok(Message::Close(_))) | None => {
                    return Err(self.broken(&"it closed the connection"));
                }
                Some(Ok(_)) => {}
                Some(Err(e)) => return Err(self.broken(&e)),
            }
        }
    }

    /// Says goodbye. What the other side thinks of it does not matter any more.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_millis(300), self.stream.close(None)).await;
    }

    fn broken(&self, why: &impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable {
            url: self.base.clone(),
            why: why.to_string(),
        }
    }
}
