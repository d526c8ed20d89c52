// The few things the view does with the DOM, each only where something differs.
//
// Whatever comes from outside goes in as text. There is no way here to make markup out of a string, and the policy would
// stop one. Read next: view.ts.

type Child = Node | string;
type Attributes = Record<string, string | boolean>;

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) attr(node, name, value);
  node.append(...children);
  return node;
}

export function attr(node: Element, name: string, value: string | boolean | null): void {
  if (value === false || value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== (value === true ? "" : value)) node.setAttribute(name, value === true ? "" : value);
}

export function text(node: Node, value: string): void {
  if (node.textContent !== value) node.textContent = value;
}

/** Shows it or not; returns whether it is new on the screen. */
export function show(node: HTMLElement, on: boolean): boolean {
  const hidden = node.hidden !== false;
  if (hidden === on) node.hidden = !on;
  return on && hidden;
}

export function button(label: string, attributes: Attributes, pressed: () => void, key?: string): HTMLButtonElement {
  const node = h("button", { type: "button", ...attributes }, h("span", {}, label));
  if (key !== undefined) {
    node.append(h("kbd", { "aria-hidden": "true" }, key));
    node.setAttribute("aria-keyshortcuts", key);
  }
  node.addEventListener("click", pressed);
  return node;
}

/** Changes a button's words and leaves its key. */
export function relabel(node: HTMLButtonElement, label: string): void {
  if (node.firstChild) text(node.firstChild, label);
}

/** Keeps one node for each key, in order; makes and drops as needed. Returns what is new. */
export function keyed<T, N extends HTMLElement>(
  parent: HTMLElement, kept: Map<string, N>, items: readonly T[], key: (item: T) => string,
  make: (item: T) => N, update: (node: N, item: T) => void,
): N[] {
  const wanted = new Set(items.map(key));
  for (const [id, node] of kept) {
    if (!wanted.has(id)) { node.remove(); kept.delete(id); }
  }
  const fresh: N[] = [];
  items.forEach((item, place) => {
    let node = kept.get(key(item));
    if (!node) {
      node = make(item);
      kept.set(key(item), node);
      fresh.push(node);
    }
    update(node, item);
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  return fresh;
}

/** Whether the person is typing, so that letters are letters. */
export function typing(): boolean {
  const at = document.activeElement;
  return at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement
    || (at instanceof HTMLInputElement && !["checkbox", "button", "submit"].includes(at.type))
    || (at instanceof HTMLElement && at.isContentEditable);
}
