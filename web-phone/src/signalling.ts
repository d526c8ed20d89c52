// A shim for the demo alone: the carrier's double speaks `ws:`, and the Voice SDK spells `wss:` for any host.
//
// The server loads it, before the bundle, only when the carrier is the double, and names the host in `data-host`. A socket
// to any other host is opened as it was asked for. It must be a subclass, because the SDK reads the class's statics, and
// it must come first, because the SDK keeps the class it finds.

const host = (document.currentScript as HTMLScriptElement | null)?.dataset["host"] ?? "";
const Real = window.WebSocket;

if (host !== "") {
  window.WebSocket = class extends Real {
    constructor(url: string | URL, protocols?: string | string[]) {
      const address = new URL(url, location.href);
      if (address.protocol === "wss:" && address.host === host) address.protocol = "ws:";
      super(address, protocols);
    }
  };
}

export {};
