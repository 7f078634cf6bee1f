import type { Clock } from "../common/clock.ts";
import type { Logger } from "../common/log.ts";
import { TlsCredentials, type TlsFiles } from "../common/tls-credentials.ts";
import type { Bus } from "../events/bus.ts";
import type { HeldBudget } from "./connection/held-bytes.ts";
import { originOf, type TurnedAway } from "./connection/origin.ts";
import { Gate } from "./entrance/gate.ts";
import type { Route, RouteTls } from "./entrance/listener.ts";
import type { Limits } from "./limits.ts";
import { Pool } from "./pool/pool.ts";
import {
	addressKey,
	isSame,
	type OpenedSource,
	type OpenSource,
	type PoolSettings,
	poolKey,
} from "./pool/pool-settings.ts";
import { type Connect, connectPlain, connectTls } from "./tls/connect.ts";
import { TlsTerminator } from "./tls/terminator.ts";
import { TlsWire } from "./wire/tls-wire.ts";

export interface ServedPoolDeps<Source> {
	readonly proxy: string;
	readonly incarnation: number;
	readonly admin: string | undefined;
	readonly limits: Limits;
	readonly held: HeldBudget;
	readonly bus: Bus;
	readonly clock: Clock;
	readonly log: Logger;
	readonly openSource: OpenSource<Source>;
	readonly turnedAway: (client: TurnedAway, pool: Pool) => void;
}

/** What a pool has open. */
interface Parts {
	readonly source: OpenedSource;
	readonly tls: RouteTls;
	readonly tlsCredentials: TlsCredentials | undefined;
	readonly connect: Connect;
	readonly daemonCredentials: TlsCredentials | undefined;
}

/** A certificate of ours, and to whom it is shown. */
export interface Certificate {
	readonly pool: Pool;
	readonly side: string;
	readonly expiresAt: number;
}

/** A change that is ready to be made, and cannot fail any more. */
export interface PreparedChange {
	commit(): void;
	/** Closes what was opened for it. */
	abandon(): void;
}

/** A pool with what it needs from outside: daemons, certificates, a way in. All of it can change while builds run. */
export class ServedPool<Source> {
	readonly pool: Pool;
	readonly #deps: ServedPoolDeps<Source>;
	readonly #gate: Gate;
	#settings: PoolSettings<Source>;
	#parts: Parts;

	private constructor(
		settings: PoolSettings<Source>,
		deps: ServedPoolDeps<Source>,
		parts: Parts,
		pool: Pool,
	) {
		this.#settings = settings;
		this.#deps = deps;
		this.#parts = parts;
		this.pool = pool;
		this.#gate = new Gate(deps.limits);
		pool.onMove((move) => this.#gate.moved(move));
	}

	/** Throws CONFIG_INVALID, with nothing left open. */
	static async open<Source>(
		settings: PoolSettings<Source>,
		deps: ServedPoolDeps<Source>,
	): Promise<ServedPool<Source>> {
		const { bus, clock, log, held } = deps;
		// The parts tell the pool of clients that TLS turned away, and the pool is made of the parts.
		const late: { pool?: Pool } = {};
		const parts = await openParts(settings, deps, undefined, () => late.pool);
		const { source, connect } = parts;
		// One that was taken out and comes back begins anew: of what said goodbye, scalers believe nothing more.
		const incarnation = Math.max(deps.incarnation, deps.clock.wallTime());
		late.pool = new Pool(
			{ ...poolOptions(settings, deps), incarnation },
			{
				source: source.source,
				connect,
				bus,
				clock,
				log,
				held,
			},
		);
		return new ServedPool(settings, deps, parts, late.pool);
	}

	get settings(): PoolSettings<Source> {
		return this.#settings;
	}

	/** Where a listener sends this pool's clients. */
	get route(): Route {
		const { pool } = this;
		const gate = this.#gate;
		const { turnedAway } = this.#deps;
		return {
			serverNames: this.#settings.serverNames,
			tls: this.#parts.tls,
			admits: ({ remoteAddress = "?", remotePort = 0 }) => {
				const reason = gate.refusal(remoteAddress);
				if (reason === undefined) return true;
				const client = `${remoteAddress}:${remotePort}`;
				turnedAway({ client, reason, why: "a limit is reached" }, pool);
				return false;
			},
			accept: (wire, protocol, origin) => pool.accept(wire, protocol, origin),
		};
	}

	ready(): { readonly ok: boolean; readonly reason?: string } {
		return this.#parts.source.source.ready?.() ?? { ok: true };
	}

	/** Opens what other settings need. Throws CONFIG_INVALID, and then nothing has changed. */
	async prepare(settings: PoolSettings<Source>): Promise<PreparedChange> {
		const before = { settings: this.#settings, parts: this.#parts };
		const parts = await openParts(settings, this.#deps, before, () => this.pool);
		return {
			commit: () => {
				this.#settings = settings;
				this.#parts = parts;
				this.pool.reconfigure(poolOptions(settings, this.#deps), parts.source.source, parts.connect);
				closeParts(before.parts, parts);
			},
			abandon: () => closeParts(parts, before.parts),
		};
	}

	/** When our certificates end, in ms since 1970. */
	certificates(): readonly Certificate[] {
		const { tlsCredentials, daemonCredentials } = this.#parts;
		const sides = { clients: tlsCredentials?.expiresAt, daemons: daemonCredentials?.expiresAt };
		return Object.entries(sides).flatMap(([side, expiresAt]) =>
			expiresAt === undefined ? [] : [{ pool: this.pool, side, expiresAt }],
		);
	}

	/** Looks at the certificate files now. */
	reloadCertificates(): void {
		this.#parts.tlsCredentials?.reload();
		this.#parts.daemonCredentials?.reload();
	}

	/** Ends what is left of it. */
	close(): void {
		this.pool.close();
		closeParts(this.#parts, undefined);
	}
}

function poolOptions<Source>(
	{ listen, serverNames, tls, daemonTls, source, ...options }: PoolSettings<Source>,
	{ proxy, incarnation, admin, limits }: ServedPoolDeps<Source>,
) {
	return { ...options, proxy, incarnation, admin, limits };
}

/** Opens the parts, those that stay the same taken over. */
async function openParts<Source>(
	settings: PoolSettings<Source>,
	deps: ServedPoolDeps<Source>,
	before: { readonly settings: PoolSettings<Source>; readonly parts: Parts } | undefined,
	pool: () => Pool | undefined,
): Promise<Parts> {
	const stays = (part: "tls" | "daemonTls" | "source") =>
		before !== undefined && isSame(settings[part], before.settings[part]) ? before.parts : undefined;
	const opened: (() => void)[] = [];
	const credentials = (files: TlsFiles) => {
		const loaded = openCredentials(files, settings, deps);
		opened.push(() => loaded.close());
		return loaded;
	};
	try {
		// What happens at a listener keeps its name there.
		const sameAddress = before !== undefined && addressKey(settings) === addressKey(before.settings);
		const tlsBefore = sameAddress ? stays("tls") : undefined;
		const { tls, tlsCredentials } = tlsBefore ?? openTls(settings, deps, credentials, pool);
		const { daemonTls } = settings;
		const daemonCredentials =
			stays("daemonTls")?.daemonCredentials ?? (daemonTls && credentials(daemonTls.files));
		const connect =
			stays("daemonTls")?.connect ??
			(daemonCredentials === undefined
				? connectPlain(deps.limits)
				: connectTls(daemonCredentials, daemonTls?.serverName, deps.limits));
		// Last, as nothing after it can fail.
		const source = stays("source")?.source ?? (await deps.openSource(settings));
		return { source, tls, tlsCredentials, connect, daemonCredentials };
	} catch (error) {
		for (const close of opened) close();
		throw error;
	}
}

function openTls<Source>(
	settings: PoolSettings<Source>,
	deps: ServedPoolDeps<Source>,
	credentials: (files: TlsFiles) => TlsCredentials,
	pool: () => Pool | undefined,
): Pick<Parts, "tls" | "tlsCredentials"> {
	const { tls } = settings;
	if (tls.t !== "terminate") return { tls, tlsCredentials: undefined };
	const tlsCredentials = credentials(tls.files);
	const { clientAuth, allowClients } = tls;
	const { handshakeMs, maxHandshakes } = deps.limits;
	const terminator = new TlsTerminator(
		tlsCredentials,
		{ clientAuth, allowClients, handshakeMs, maxHandshakes },
		{
			secured: (socket, client) => {
				const origin = {
					...originOf(socket, addressKey(settings), socket.servername || undefined),
					...client,
				};
				pool()?.accept(new TlsWire(socket), "h2", origin);
			},
			turnedAway: (client) => {
				const from = pool();
				if (from !== undefined) deps.turnedAway(client, from);
			},
		},
	);
	return { tls: { t: "terminate", terminator }, tlsCredentials };
}

function openCredentials<Source>(
	files: TlsFiles,
	settings: PoolSettings<Source>,
	{ clock, log }: ServedPoolDeps<Source>,
): TlsCredentials {
	const pool = poolKey(settings);
	return new TlsCredentials(files, {
		clock,
		onReload: (error) => {
			if (error === undefined) log.info({ pool, ...files }, "certificates reloaded");
			else log.error({ pool, error: error.message }, "certificates are wrong; those from before stay in use");
		},
	});
}

/** Closes parts but those that `others` share with them. */
function closeParts(parts: Parts, others: Parts | undefined): void {
	if (parts.source !== others?.source) parts.source.close();
	if (parts.tlsCredentials !== others?.tlsCredentials) parts.tlsCredentials?.close();
	if (parts.daemonCredentials !== others?.daemonCredentials) parts.daemonCredentials?.close();
}
