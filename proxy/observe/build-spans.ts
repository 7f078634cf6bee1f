import type { AttributeValue } from "@opentelemetry/api";
import { type ConnectionMove, endsBuild, type MovedBuild } from "../connection/move.ts";
import { waitPhases } from "../connection/wait-phases.ts";
import { buildResult } from "./build-result.ts";

/** A span of a trace, before any SDK has seen it; times as `Clock.now`, in ms. */
export interface BuildSpan {
	readonly name: string;
	readonly startAt: number;
	readonly endAt: number;
}

/** The trace of one build's connection. */
export interface BuildTrace {
	readonly root: BuildSpan;
	/** One after the other: what the build waited for, and `relay`, its time on the daemon. */
	readonly phases: readonly BuildSpan[];
	readonly attributes: Readonly<Record<string, AttributeValue>>;
	/** Set when the build got no daemon, or lost a side. */
	readonly failure: string | undefined;
	readonly parent: MovedBuild["traceParent"];
}

/** The trace of a build that ends with this move; undefined for any other move. Pure. */
export function buildTrace(move: ConnectionMove): BuildTrace | undefined {
	const { id, at, origin, build, daemon, reason, message, bytesFromClient, bytesFromDaemon } = move;
	if (build?.purpose !== "build" || reason === undefined || !endsBuild(move)) return undefined;
	const result = buildResult(reason, build.servedAt !== undefined);
	const { identity, serverName, listener } = origin;
	const attributes: Record<string, AttributeValue | undefined> = {
		"client.address": origin.address,
		"client.port": origin.port,
		"buildkit_scaler.connection": id,
		"buildkit_scaler.listener": listener,
		"buildkit_scaler.server_name": serverName,
		"buildkit_scaler.identity": identity,
		"buildkit_scaler.daemon": daemon,
		"buildkit_scaler.result": result,
		"buildkit_scaler.reason": reason,
		"buildkit_scaler.bytes_from_client": bytesFromClient,
		"buildkit_scaler.bytes_from_daemon": bytesFromDaemon,
	};
	const failed = result === "broken" || result === "refused";
	return {
		root: { name: "build", startAt: build.openedAt, endAt: at },
		phases: phaseSpans(build, at),
		attributes: Object.fromEntries(
			Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
		),
		failure: failed ? (message ?? reason) : undefined,
		parent: build.traceParent,
	};
}

function phaseSpans({ openedAt, servedAt, wait }: MovedBuild, endAt: number): BuildSpan[] {
	const spans: BuildSpan[] = [];
	let startAt = openedAt;
	for (const name of waitPhases) {
		const span = { name, startAt, endAt: startAt + wait[name] };
		if (wait[name] > 0) spans.push(span);
		startAt = span.endAt;
	}
	if (servedAt !== undefined) spans.push({ name: "relay", startAt: servedAt, endAt });
	return spans;
}
