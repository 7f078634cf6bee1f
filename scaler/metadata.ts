import { ScalerError } from "../common/error.ts";
import { nameSchema } from "../events/schema.ts";
import type { ScaledObjectRef } from "../protos/external-scaler.ts";
import { type PoolKey, poolKey } from "./pool-key.ts";

/** What a ScaledObject asks for. */
export interface PoolRef {
	readonly key: PoolKey;
	readonly buildsPerDaemon: number | undefined;
}

const maxBuildsPerDaemon = 10_000;

/**
 * Reads `pool` (required: a DNS label) and `buildsPerDaemon` (1 to 10,000) of the trigger's metadata. A ScaledObject
 * sees the pools of its own namespace only. Keys of KEDA's own (scalerAddress, enableTLS …) and unknown ones are
 * ignored. Throws METADATA_INVALID, naming the key.
 */
export function parseScaledObjectRef(ref: ScaledObjectRef | null): PoolRef {
	if (ref === null) throw invalid("scaledObjectRef", "is missing");
	const metadata = new Map(Object.entries(ref.scalerMetadata));
	const pool = read(metadata, "pool");
	if (pool === undefined) throw invalid("pool", "is missing: name the pool this ScaledObject scales");
	return {
		key: poolKey({ namespace: name("namespace", ref.namespace), pool: name("pool", pool) }),
		buildsPerDaemon: count("buildsPerDaemon", read(metadata, "buildsPerDaemon")),
	};
}

/**
 * A key, or its `…FromEnv` twin: KEDA puts the environment variable's value there and leaves the key's name as it is
 * (KEDA: external_scaler.go, parseExternalScalerMetadata).
 */
function read(metadata: ReadonlyMap<string, string>, key: string): string | undefined {
	const fromEnv = metadata.get(`${key}FromEnv`);
	if (fromEnv !== undefined && metadata.has(key))
		throw invalid(key, `is given twice, as ${key} and ${key}FromEnv`);
	return metadata.get(key) ?? fromEnv;
}

function name(key: string, value: string): string {
	const parsed = nameSchema.safeParse(value);
	if (parsed.success) return parsed.data;
	const [issue] = parsed.error.issues;
	throw invalid(key, `is ${quote(value)}: ${issue?.message}`);
}

function count(key: string, value: string | undefined): number | undefined {
	if (value === undefined) return undefined;
	const parsed = /^\d{1,5}$/.test(value) ? Number(value) : 0;
	if (parsed >= 1 && parsed <= maxBuildsPerDaemon) return parsed;
	throw invalid(key, `is ${quote(value)}: must be a whole number from 1 to ${maxBuildsPerDaemon}`);
}

function invalid(key: string, why: string): ScalerError {
	return new ScalerError("METADATA_INVALID", `${key} ${why}`);
}

function quote(value: string): string {
	return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}
