// Loads @kubernetes/client-node (common/kube-client.ts), so import it only where there is a cluster.
import {
	CoordinationV1Api,
	type KubeConfig,
	PatchStrategy,
	setHeaderOptions,
	type V1Lease,
	V1MicroTime,
} from "@kubernetes/client-node";
import { clientConfiguration } from "../../common/kube-client.ts";
import { apiError } from "../../kubernetes/api-error.ts";
import { statusCodeOf } from "../../kubernetes/api-failure.ts";
import { type Lease, type LeaseApi, noLease } from "./lease.ts";
import { formatMembers, parseMembers } from "./members.ts";

const membersAnnotation = "buildkit-scaler/members";

/** One Lease. The Role: `get`, `create` and `patch` on leases (coordination.k8s.io). */
export class KubernetesLease implements LeaseApi {
	readonly #config: KubeConfig;
	readonly #object: { readonly namespace: string; readonly name: string };

	constructor(config: KubeConfig, object: { readonly namespace: string; readonly name: string }) {
		this.#config = config;
		this.#object = object;
	}

	async read(signal: AbortSignal): Promise<Lease> {
		try {
			return leaseOf(await this.#client(signal).readNamespacedLease(this.#object));
		} catch (thrown) {
			if (statusCodeOf(thrown) === 404) return noLease;
			throw this.#error(thrown, "get");
		}
	}

	async write(lease: Lease, signal: AbortSignal): Promise<void> {
		const { namespace, name } = this.#object;
		const { version } = lease;
		const client = this.#client(signal);
		const annotations = { [membersAnnotation]: formatMembers(lease.members) };
		const spec = specOf(lease);
		try {
			if (version === undefined) {
				const body = { metadata: { name, annotations }, spec };
				await client.createNamespacedLease({ namespace, body });
				return;
			}
			const body = { metadata: { resourceVersion: version, annotations }, spec };
			await client.patchNamespacedLease(
				{ namespace, name, body },
				setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
			);
		} catch (thrown) {
			throw this.#error(thrown, version === undefined ? "create" : "patch");
		}
	}

	#error(thrown: unknown, verb: string): Error {
		const { namespace, name } = this.#object;
		const needs = `${verb} on leases (coordination.k8s.io) in namespace ${namespace}`;
		return apiError(thrown, `Lease ${namespace}/${name}`, needs);
	}

	#client(signal: AbortSignal): CoordinationV1Api {
		return new CoordinationV1Api(clientConfiguration(this.#config, signal));
	}
}

function leaseOf({ metadata, spec }: V1Lease): Lease {
	return {
		// Whoever leaves it may write an empty name, as client-go does.
		holder: spec?.holderIdentity || undefined,
		durationMs: (spec?.leaseDurationSeconds ?? 0) * 1_000,
		acquireTime: dateOf(spec?.acquireTime),
		renewTime: dateOf(spec?.renewTime),
		transitions: spec?.leaseTransitions ?? 0,
		members: parseMembers(metadata?.annotations?.[membersAnnotation]) ?? {},
		version: metadata?.resourceVersion,
	};
}

/** In a merge patch null takes a field away; in a new object it is none. */
function specOf({ holder, durationMs, acquireTime, renewTime, transitions }: Lease): object {
	return {
		holderIdentity: holder ?? null,
		leaseDurationSeconds: Math.round(durationMs / 1_000),
		acquireTime: acquireTime === undefined ? null : new V1MicroTime(acquireTime),
		renewTime: renewTime === undefined ? null : new V1MicroTime(renewTime),
		leaseTransitions: transitions,
	};
}

/** The client types it as a date and leaves it a text. */
function dateOf(time: unknown): Date | undefined {
	if (time instanceof Date) return time;
	return typeof time === "string" ? new Date(time) : undefined;
}
