import { ScalerError } from "../common/error.ts";
import type { ClientTls, PoolSettings } from "../proxy/pool/pool-settings.ts";
import { checkTenants } from "./common-options.ts";
import { daemonTlsOf } from "./daemon-tls.ts";
import type { DaemonsSettings } from "./daemons.ts";
import { flagName } from "./load-config.ts";
import type { Config } from "./option.ts";
import type { poolOptions } from "./proxy-options.ts";

type PoolConfig = Config<typeof poolOptions>;
type OptionName = keyof PoolConfig;

/** A pool as its options describe it. Throws CONFIG_INVALID for options that do not go together. */
export function poolSettings(config: PoolConfig): PoolSettings<DaemonsSettings> {
	const { namespace, pool, listen, capacity, balance, affinityBy, fairBy, maxPerTenant } = config;
	const { maxWait, wakeOnStatus } = config;
	checkTenants(config);
	const tls = clientTls(config);
	const daemonTls = daemonTlsOf(config);
	if (tls.t === "passthrough" && daemonTls !== undefined) {
		throw invalid(
			"--daemon-tls-ca makes no sense with --tls passthrough: the clients' own TLS reaches the daemons",
		);
	}
	return {
		namespace,
		name: pool,
		listen,
		capacity,
		balance,
		affinityBy,
		fairBy,
		maxPerTenant,
		maxWaitMs: maxWait,
		wakeOnStatus,
		serverNames: (config.serverNames ?? []).map((name) => name.toLowerCase()),
		tls,
		daemonTls,
		source: daemonsSettings(config),
	};
}

function clientTls(config: PoolConfig): ClientTls {
	const { tls, tlsCert: cert, tlsKey: key, tlsClientCa: ca, tlsClientAuth, allowClients = [] } = config;
	if (tls !== "terminate") {
		refuse(config, ["tlsCert", "tlsKey", "tlsClientCa", "allowClients"], `needs --tls terminate, not ${tls}`);
		return { t: tls };
	}
	if (cert === undefined || key === undefined)
		throw invalid("--tls terminate needs --tls-cert and --tls-key");
	if (ca === undefined) refuse(config, ["allowClients"], "needs --tls-client-ca");
	for (const name of allowClients) {
		if (!/^(cn|dns|uri):./.test(name))
			throw invalid(`--allow-clients: ${name} must begin with cn:, dns: or uri:`);
	}
	const clientAuth = ca === undefined ? "none" : tlsClientAuth;
	return { t: "terminate", files: { cert, key, ca }, clientAuth, allowClients };
}

function daemonsSettings(config: PoolConfig): DaemonsSettings {
	const { daemons: addresses, daemonsService: service, daemonsDns: dns, daemonsPort: port } = config;
	const given: DaemonsSettings[] = [];
	if (addresses !== undefined) given.push({ t: "static", addresses });
	if (service !== undefined) given.push({ t: "service", service, port });
	if (dns !== undefined) given.push({ t: "dns", dns });
	const [settings] = given;
	if (settings !== undefined && given.length === 1) return settings;
	const why = given.length === 0 ? "none is given" : `${given.length} are given`;
	throw invalid(`--daemons, --daemons-service or --daemons-dns is needed, one of them: ${why}`);
}

function refuse(config: PoolConfig, options: readonly OptionName[], why: string): void {
	for (const option of options) if (config[option] !== undefined) throw invalid(`${flagName(option)} ${why}`);
}

function invalid(why: string): ScalerError {
	return new ScalerError("CONFIG_INVALID", why);
}
