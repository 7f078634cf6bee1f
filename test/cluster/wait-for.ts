import { setTimeout as sleep } from "node:timers/promises";
import { type KubeConfig, type KubernetesObject, Watch } from "@kubernetes/client-node";
import { ToolError } from "../tools/tool-error.ts";
import { get } from "./http.ts";
import { ports } from "./layout.ts";

/** What to look at, e.g. { path: "/api/v1/namespaces/default/pods", labelSelector: "app=x" }. */
export interface Watched {
	/** The collection's path in the API. */
	readonly path: string;
	/** Only the object of this name. */
	readonly name?: string;
	readonly labelSelector?: string;
}

export interface WaitOptions {
	/** Default 30 000. */
	readonly timeoutMs?: number;
	/** What is waited for, for the error's text. */
	readonly what: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const RETRY_MS = 100;
const SHOWN_CHARACTERS = 1_500;

interface List<T> {
	readonly metadata: { readonly resourceVersion: string };
	readonly items: readonly T[];
}

/**
 * Watches until `until`, asked with all matching objects at each change, gives something else than undefined or
 * false; resolves to that. Outlives an API server that is stopped, killed or restarted meanwhile.
 */
export async function waitFor<T extends KubernetesObject, R>(
	config: KubeConfig,
	watched: Watched,
	until: (objects: readonly T[]) => R | undefined | false,
	options: WaitOptions,
): Promise<R> {
	const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
	const deadline = AbortSignal.timeout(timeoutMs);
	const objects = new Map<string, T>();
	let lastError: unknown;
	while (!deadline.aborted) {
		try {
			const found = await listAndWatch(config, watched, objects, until, deadline);
			if (found !== undefined) return found.value;
		} catch (error) {
			if (error instanceof PredicateError) throw error.cause;
			// Ours ends the watch with an error too.
			if (!deadline.aborted) lastError = error;
		}
		await sleep(RETRY_MS);
	}
	const seen = JSON.stringify([...objects.values()].map(withoutNoise)).slice(0, SHOWN_CHARACTERS);
	const trouble = lastError === undefined ? "" : ` (last error: ${lastError})`;
	throw new ToolError(`${options.what}: not after ${timeoutMs / 1000} s${trouble}; last seen: ${seen}`);
}

/** A bug in the caller's predicate, not a broken connection to be tried again. */
class PredicateError extends Error {}

function ask<T, R>(until: (objects: readonly T[]) => R | undefined | false, objects: Map<string, T>) {
	try {
		const value = until([...objects.values()]);
		return value === undefined || value === false ? undefined : { value };
	} catch (cause) {
		throw new PredicateError("the predicate threw", { cause });
	}
}

/** Gives undefined when the watch ended before its time: list again then. */
async function listAndWatch<T extends KubernetesObject, R>(
	config: KubeConfig,
	watched: Watched,
	objects: Map<string, T>,
	until: (objects: readonly T[]) => R | undefined | false,
	deadline: AbortSignal,
): Promise<{ value: R } | undefined> {
	const query = selection(watched);
	const body = await get(ports.apiserver, `${watched.path}?${new URLSearchParams(query)}`, "https");
	const list = JSON.parse(body) as List<T>;
	objects.clear();
	for (const object of list.items) objects.set(keyOf(object), object);
	const already = ask(until, objects);
	if (already !== undefined) return already;

	return await new Promise((resolve, reject) => {
		let abort: AbortController | undefined;
		const end = () => abort?.abort();
		deadline.addEventListener("abort", end, { once: true });
		const finish = (settle: () => void) => {
			deadline.removeEventListener("abort", end);
			settle();
			end();
		};
		const onEvent = (kind: string, object: T) => {
			if (kind === "ERROR") return finish(() => resolve(undefined));
			if (kind === "DELETED") objects.delete(keyOf(object));
			else objects.set(keyOf(object), object);
			try {
				const found = ask(until, objects);
				if (found !== undefined) finish(() => resolve(found));
			} catch (error) {
				finish(() => reject(error));
			}
		};
		const from = { ...query, resourceVersion: list.metadata.resourceVersion };
		const done = (error: unknown) => finish(() => (error ? reject(error) : resolve(undefined)));
		new Watch(config).watch(watched.path, from, onEvent, done).then((controller) => {
			abort = controller;
			if (deadline.aborted) end();
		}, done);
	});
}

function selection({ name, labelSelector }: Watched): Record<string, string> {
	return {
		...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
		...(labelSelector === undefined ? {} : { labelSelector }),
	};
}

function keyOf({ metadata }: KubernetesObject): string {
	return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

function withoutNoise(object: KubernetesObject): object {
	const status = "status" in object ? object.status : undefined;
	return { name: keyOf(object), status };
}
