import { heartbeatMs, leaseMs } from "../../events/schema.ts";
import type { Goodbye, Word } from "../ledger.ts";

/** A proxy that is known to exist, whether or not it ever spoke. */
export type ExpectedProxy =
	/** By its id. */
	{ readonly t: "id"; readonly id: string } | ProxyPod;

/** A proxy as Kubernetes lists it. */
export interface ProxyPod {
	readonly t: "pod";
	/** Its id is this, or this with a port (`POD:1234`), unless it was given another. */
	readonly name: string;
	/** HOST:PORT where its snapshots can be read. */
	readonly admin: string;
	/** It is to go: another process will not take its place. */
	readonly terminating: boolean;
	/** `Clock.now` since when it is listed. */
	readonly listedAt: number;
	/** `Clock.now` when last nobody listened at `admin`, or nobody who serves the pool. */
	readonly emptyAt: number | undefined;
}

/** The proxies of a pool that must be heard before its demand is known. */
export type Expected =
	/** Whoever keeps the list has not answered yet. */
	| { readonly t: "unlisted"; readonly why: string }
	| {
			readonly t: "listed";
			readonly proxies: readonly ExpectedProxy[];
			/** Whether the list is true now; an old one may lack somebody. */
			readonly current: boolean;
	  };

/** A process that starts where there was none says so on the bus at once, and is read a second later where it cannot. */
const emptyMs = heartbeatMs;

/** Proxies that somebody named, which is certain for all time. */
export function expectIds(ids: readonly string[]): Expected {
	return { t: "listed", current: true, proxies: ids.map((id) => ({ t: "id", id })) };
}

export function nameOf(proxy: ExpectedProxy): string {
	return proxy.t === "id" ? proxy.id : proxy.name;
}

/** Whether a word is of this proxy. */
export function isOf(expected: ExpectedProxy, proxy: string, word: Word): boolean {
	if (hasName(expected, proxy)) return true;
	// Before it was listed another pod may have had the address.
	return expected.t === "pod" && word.admin === expected.admin && word.receivedAt >= expected.listedAt;
}

/**
 * Whether a goodbye is of this proxy, and nothing is to be heard after it: who restarts in its pod is not terminating,
 * and has a lease to say so.
 */
export function isOver(
	expected: ExpectedProxy,
	proxy: string,
	{ receivedAt }: Goodbye,
	now: number,
): boolean {
	if (!hasName(expected, proxy)) return false;
	if (expected.t === "id") return true;
	return receivedAt >= expected.listedAt && (expected.terminating || now - receivedAt <= leaseMs);
}

function hasName(expected: ExpectedProxy, proxy: string): boolean {
	if (expected.t === "id") return proxy === expected.id;
	return proxy === expected.name || proxy.startsWith(`${expected.name}:`);
}

/** Whether nobody was at its place a moment ago. */
export function isEmpty(expected: ExpectedProxy, now: number): boolean {
	return expected.t === "pod" && expected.emptyAt !== undefined && now - expected.emptyAt < emptyMs;
}
