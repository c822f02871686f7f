// The topic view: topics and groups in a list, and what is chosen beside it: messages, partitions, readers.
import { bytes, duration, group as digits, make, paint, put, rounded } from "./format.js";
import { Grid } from "./health.js";
import { t } from "./language.js";
import { MessagesView } from "./topic_messages.js";

const POLL_MS = 2_000;
const HASH = /^topics(?:\/([A-Za-z0-9._-]{1,249}))?$/;
/** Lag beyond this is worth a colour. */
const LAG_HIGH = 5_000;

/** The topic an address names, "" for the view itself, null if it names something else. */
export function topicOf(hash) {
  const found = HASH.exec(hash);
  return found && (found[1] ?? "");
}

export class TopicsView {
  #topics = [];
  #groups = [];
  /** `{ kind: "topic" | "group", name }` */
  #chosen = null;
  #tab = "messages";
  #isShown = false;
  #poll = 0;
  #buttons = new Map();
  #failure = null;

  constructor(elements) {
    Object.assign(this, elements);
    this.messages = new MessagesView(this.messageElements, (place) => this.#choose("topic", place.topic, place));
    this.partitions = new Grid(this.partitionsPane, "partitionsOf", ["partition", "startOffset", "endOffset", "records", "bytes"]);
    this.readers = new Grid(this.readersPane, "groups", ["group", "partition", "committedOffset", "endOffset", "lag"]);
    this.members = new Grid(this.groupPane, "members", ["member", "client", "host", "assigned"]);
    this.offsets = new Grid(this.groupPane, "lagByPartition", ["topic", "partition", "committedOffset", "endOffset", "lag"]);
    for (const button of this.tabs.children) button.addEventListener("click", () => this.#showTab(button.dataset.tab));
    this.back.addEventListener("click", () => (this.panel.dataset.open = "list"));
    document.addEventListener("visibilitychange", () => this.#isShown && !document.hidden && this.#refresh());
  }

  /** Comes into view; `name` is the topic to begin with, if any. */
  show(name) {
    const isNew = !this.#isShown;
    this.#isShown = true;
    if (name && !(this.#chosen?.kind === "topic" && this.#chosen.name === name)) this.#choose("topic", name);
    else if (isNew && this.#tab === "messages" && this.#chosen) this.messages.show();
    if (isNew) this.#refresh();
  }

  hide() {
    this.#isShown = false;
    clearTimeout(this.#poll);
    this.messages.hide();
  }

  /** What the address names while this is in view. */
  get address() {
    return this.#chosen?.kind === "topic" ? `topics/${this.#chosen.name}` : "topics";
  }

  translate() {
    this.#draw();
    this.messages.translate();
  }

  async #refresh() {
    clearTimeout(this.#poll);
    try {
      const [topics, groups] = await Promise.all(["/api/topics", "/api/groups"].map(async (path) => {
        const response = await fetch(path);
        if (!response.ok) throw new Error((await response.json()).error);
        return response.json();
      }));
      this.#topics = topics.topics;
      this.#groups = groups.groups;
      this.#failure = null;
    } catch (error) {
      this.#failure = error instanceof TypeError ? t("unreachableServer") : error.message;
    }
    if (!this.#isShown) return;
    this.#draw();
    const isWide = matchMedia("(min-width: 760px)").matches;
    if (!this.#chosen && isWide && this.#topics.length) this.#choose("topic", this.#first());
    else await this.#refreshTopic();
    clearTimeout(this.#poll);
    if (this.#isShown) this.#poll = setTimeout(() => document.hidden || this.#refresh(), POLL_MS);
  }

  /** Partitions are asked for only while they are looked at. */
  async #refreshTopic() {
    if (this.#chosen?.kind !== "topic" || this.#tab !== "partitions") return;
    const { name } = this.#chosen;
    const topic = await fetchTopic(name);
    if (topic && this.#chosen?.name === name) this.#showPartitions(topic);
  }

  /** The one that moves most: what a first visit wants to see. */
  #first() {
    return this.#topics.reduce((most, topic) => (topic.rate_per_s > most.rate_per_s ? topic : most)).name;
  }

  async #choose(kind, name, place) {
    const chosen = (this.#chosen = { kind, name });
    this.panel.dataset.open = "detail";
    history.replaceState(null, "", `#${this.address}`);
    this.messages.hide();
    this.#draw();
    if (kind === "group") return this.#showTab("group");
    const topic = await fetchTopic(name);
    if (chosen !== this.#chosen || !this.#isShown) return undefined;
    this.#showPartitions(topic ?? { partitions: [] });
    this.messages.choose(name, topic?.partitions ?? [], place);
    return this.#showTab(place || this.#tab === "group" ? "messages" : this.#tab);
  }

  #showTab(tab) {
    this.#tab = tab;
    for (const button of this.tabs.children) button.setAttribute("aria-pressed", String(button.dataset.tab === tab));
    this.tabs.hidden = tab === "group";
    for (const pane of this.panes) pane.hidden = pane.dataset.pane !== tab;
    if (tab === "messages") this.messages.show();
    else this.messages.hide();
    this.#draw();
    if (tab === "partitions") this.#refreshTopic();
  }

  #draw() {
    this.#drawButtons(this.topicList, "topic", this.#topics, (topic) => ({
      name: topic.name,
      second: `${count(topic.records)} ${t("records")} · ${topic.partitions} ${t(topic.partitions === 1 ? "partition" : "partitions")}`,
      figure: `${rounded(topic.rate_per_s, topic.rate_per_s && topic.rate_per_s < 10 ? 1 : 0)} ${t("perSecond")}`,
      below: bytes(topic.bytes),
    }));
    this.#drawButtons(this.groupList, "group", this.#groups, (group) => ({
      name: group.name,
      second: `${t(group.kind === "job" ? "groupJob" : "groupConsumer")} · ${stateText(group)}`,
      figure: `${t("lag")} ${count(group.lag)}`,
      below: group.kind === "job" ? "" : `${group.members.length} ${t(group.members.length === 1 ? "member" : "membersOf")}`,
      isBad: group.lag > LAG_HIGH || (group.kind === "job" && group.state !== "Running"),
    }));
    this.listNote.hidden = this.#topics.length > 0 && !this.#failure;
    put(this.listNote, this.#failure ?? t("noTopics"));
    this.groupNote.hidden = this.#groups.some((group) => group.kind === "consumer");
    put(this.groupNote, t("noConsumers"));
    this.#drawHead();
  }

  #drawButtons(list, kind, entries, textOf) {
    const buttons = entries.map((entry) => {
      const id = `${kind}/${entry.name}`;
      let button = this.#buttons.get(id);
      if (!button) {
        button = new EntryButton(() => this.#choose(kind, entry.name));
        button.element.dataset.name = entry.name;
        this.#buttons.set(id, button);
      }
      const isChosen = this.#chosen?.kind === kind && this.#chosen.name === entry.name;
      button.show(textOf(entry), isChosen);
      return button.element;
    });
    if (buttons.length !== list.children.length || buttons.some((button, index) => list.children[index] !== button)) {
      list.replaceChildren(...buttons);
    }
  }

  #drawHead() {
    const { kind, name } = this.#chosen ?? {};
    put(this.title, name ?? "");
    this.detail.hidden = !name;
    const topic = kind === "topic" && this.#topics.find((topic) => topic.name === name);
    const group = kind === "group" && this.#groups.find((group) => group.name === name);
    if (topic) {
      this.#facts([
        ["records", count(topic.records)],
        ["bytes", bytes(topic.bytes)],
        ["retention", retentionText(topic)],
        ["rate", rounded(topic.rate_per_s, 1)],
        ["partitions", String(topic.partitions)],
      ]);
    } else if (group) {
      this.#facts([
        ["kind", t(group.kind === "job" ? "groupJob" : "groupConsumer")],
        ["state", stateText(group)],
        ["lag", count(group.lag)],
        ["protocol", group.protocol || "–"],
      ]);
    } else {
      this.#facts([]);
    }
    this.#drawGroups(group);
  }

  #drawGroups(group) {
    const chosen = this.#chosen?.name;
    const reading = this.#groups.flatMap((group) =>
      group.offsets.filter((offset) => offset.topic === chosen).map((offset) => ({ group: group.name, ...offset })),
    );
    this.readers.show(reading.map((reader) => [
      reader.group, String(reader.partition), count(reader.committed_offset), count(reader.end_offset), count(lagOf(reader)),
    ]));
    this.noReaders.hidden = reading.length > 0;
    this.members.show((group?.members ?? []).map((member) => [
      member.member_id, member.client_id, member.host,
      member.assigned.map(({ topic, partition }) => `${topic}-${partition}`).join(", ") || "–",
    ]));
    this.offsets.show((group?.offsets ?? []).map((offset) => [
      offset.topic, String(offset.partition), count(offset.committed_offset), count(offset.end_offset), count(lagOf(offset)),
    ]));
    this.groupAbout.hidden = !group;
    put(this.groupAbout, group ? t(group.kind === "job" ? "aboutJob" : group.members.length ? "aboutConsumer" : "aboutEmpty") : "");
  }

  #showPartitions({ partitions }) {
    this.partitions.show(partitions.map((partition) => [
      String(partition.partition), count(partition.start_offset), count(partition.end_offset),
      count(partition.end_offset - partition.start_offset), bytes(partition.bytes),
    ]));
  }

  #facts(facts) {
    while (this.facts.children.length > facts.length) this.facts.lastChild.remove();
    facts.forEach(([word, value], index) => {
      let pair = this.facts.children[index];
      if (!pair) {
        pair = make("div");
        pair.append(make("dt"), make("dd"));
        this.facts.append(pair);
      }
      put(pair.firstChild, t(word));
      put(pair.lastChild, value);
    });
  }
}

/** A topic or a group in the list. */
class EntryButton {
  constructor(onClick) {
    this.element = Object.assign(make("button", "entry"), { type: "button" });
    [this.name, this.figure, this.second, this.below] = ["b", "span", "small", "small"].map((tag) => make(tag));
    this.element.append(this.name, this.figure, this.second, this.below);
    this.element.addEventListener("click", onClick);
  }

  show({ name, second, figure, below, isBad }, isChosen) {
    put(this.name, name);
    put(this.figure, figure);
    put(this.second, second);
    put(this.below, below);
    paint(this.figure, isBad ? "bad" : "");
    if (isChosen) this.element.setAttribute("aria-current", "true");
    else this.element.removeAttribute("aria-current");
  }
}

async function fetchTopic(name) {
  try {
    const response = await fetch(`/api/topics/${encodeURIComponent(name)}`);
    return response.ok ? await response.json() : null;
  } catch {
    // the list says that the server cannot be reached
    return null;
  }
}

const STATES = { Running: "stateRunning", Stable: "stateStable", Empty: "stateEmpty", PreparingRebalance: "stateRebalance", CompletingRebalance: "stateRebalance", Dead: "stateDead" };
const stateText = ({ state }) => t(STATES[state] ?? state);
const retentionText = ({ retention_ms: age, retention_bytes: size }) => {
  const parts = [age === null ? null : duration(age).replace(/ 0[hms]$/, ""), size === null ? null : bytes(size)];
  return parts.filter(Boolean).join(" · ") || t("forever");
};
const lagOf = ({ committed_offset, end_offset }) => Math.max(0, end_offset - committed_offset);
const count = (value) => digits(String(value));
