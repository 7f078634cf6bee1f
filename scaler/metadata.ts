import { ScalerError } from "../common/error.ts";
import { nameSchema } from "../events/schema.ts";
import type { ScaledObjectRef } from "../protos/external-scaler.ts";
import { type PoolKey, poolKey } from "./pool-key.ts";

/** What a ScaledObject asks for. */
export interface PoolRef {
	readonly key: PoolKey;
	readonly buildsPerDaemon: number | undefined;
	/** Up to which surplus the HPA does nothing; undefined for Kubernetes' default. */
	readonly tolerance: number | undefined;
	/** The ScaledObject's, where it is repeated here: KEDA does not tell it. */
	readonly cooldownSeconds: number | undefined;
}

const maxBuildsPerDaemon = 10_000;
const maxCooldownSeconds = 10_000_000;

/**
 * Reads `pool` (required: a DNS label), `buildsPerDaemon` (1 to 10,000), `scaleUpTolerance` (0 to 1) and `cooldownPeriod`
 * (s) of the trigger's metadata. A ScaledObject sees the pools of its own namespace only: who names another one, as `namespace` or before the pool, is refused, and
 * learns nothing about what is there. Keys of KEDA's own (scalerAddress, enableTLS …) and unknown ones are ignored.
 * Throws METADATA_INVALID or NAMESPACE_FORBIDDEN, naming the key.
 */
export function parseScaledObjectRef(ref: ScaledObjectRef | null): PoolRef {
	if (ref === null) throw invalid("scaledObjectRef", "is missing");
	const metadata = new Map(Object.entries(ref.scalerMetadata));
	const pool = read(metadata, "pool");
	if (pool === undefined) throw invalid("pool", "is missing: name the pool this ScaledObject scales");
	const namespace = name("namespace", ref.namespace);
	const slash = pool.indexOf("/");
	requireOwn("namespace", read(metadata, "namespace"), namespace);
	requireOwn("pool", slash < 0 ? undefined : pool.slice(0, slash), namespace);
	return {
		key: poolKey({ namespace, pool: name("pool", pool.slice(slash + 1)) }),
		buildsPerDaemon: count(metadata, "buildsPerDaemon", 1, maxBuildsPerDaemon),
		tolerance: share("scaleUpTolerance", read(metadata, "scaleUpTolerance")),
		cooldownSeconds: count(metadata, "cooldownPeriod", 0, maxCooldownSeconds),
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

function requireOwn(key: string, asked: string | undefined, own: string): void {
	if (asked === undefined || asked === own) return;
	const why = `${key} names namespace ${quote(asked)}: a ScaledObject sees pools of its own namespace only, ${own}`;
	throw new ScalerError("NAMESPACE_FORBIDDEN", why);
}

function name(key: string, value: string): string {
	const parsed = nameSchema.safeParse(value);
	if (parsed.success) return parsed.data;
	const [issue] = parsed.error.issues;
	throw invalid(key, `is ${quote(value)}: ${issue?.message}`);
}

function count(
	metadata: ReadonlyMap<string, string>,
	key: string,
	min: number,
	max: number,
): number | undefined {
	const value = read(metadata, key);
	if (value === undefined) return undefined;
	const parsed = /^\d{1,8}$/.test(value) ? Number(value) : -1;
	if (parsed >= min && parsed <= max) return parsed;
	throw invalid(key, `is ${quote(value)}: must be a whole number from ${min} to ${max}`);
}

function share(key: string, value: string | undefined): number | undefined {
	if (value === undefined) return undefined;
	const parsed = /^\d(\.\d{1,5})?$/.test(value) ? Number(value) : 2;
	if (parsed <= 1) return parsed;
	throw invalid(key, `is ${quote(value)}: must be a number from 0 to 1, such as 0.1`);
}

function invalid(key: string, why: string): ScalerError {
	return new ScalerError("METADATA_INVALID", `${key} ${why}`);
}

function quote(value: string): string {
	return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}
