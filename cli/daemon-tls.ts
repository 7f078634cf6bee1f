import { systemClock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import type { Logger } from "../common/log.ts";
import { TlsCredentials, type TlsFiles } from "../common/tls-credentials.ts";
import type { DaemonTls } from "../scaler/verify/daemons.ts";
import { flagName } from "./load-config.ts";
import { type Config, text } from "./option.ts";

const file = { kind: text, placeholder: "FILE" } as const;

/** How daemons are spoken to: the same for proxies, and for scalers, which ask them whether they build. */
export const daemonTlsOptions = {
	daemonTlsCa: {
		...file,
		description: "The CA of the daemons' certificates (PEM); with it daemons are spoken to in TLS",
	},
	daemonTlsCert: { ...file, description: "Our certificate for daemons (PEM), where they want one" },
	daemonTlsKey: { ...file, description: "Its key (PEM)" },
	daemonTlsServerName: {
		kind: text,
		placeholder: "NAME",
		description: "The name in the daemons' certificates; without it the host that is connected to",
	},
} as const;

/** Undefined: in plaintext. Throws CONFIG_INVALID for options that do not go together. */
export function daemonTlsOf(
	config: Config<typeof daemonTlsOptions>,
): { readonly files: TlsFiles; readonly serverName: string | undefined } | undefined {
	const { daemonTlsCa: ca, daemonTlsCert: cert, daemonTlsKey: key, daemonTlsServerName: serverName } = config;
	if (ca === undefined) {
		for (const option of ["daemonTlsCert", "daemonTlsKey", "daemonTlsServerName"] as const) {
			if (config[option] !== undefined) throw invalid(`${flagName(option)} needs --daemon-tls-ca`);
		}
		return undefined;
	}
	if ((cert === undefined) !== (key === undefined)) {
		throw invalid("--daemon-tls-cert and --daemon-tls-key are needed together");
	}
	return { files: { cert, key, ca }, serverName };
}

/** For asking daemons whether they build; close the credentials. Throws as `daemonTlsOf`. */
export function openDaemonTls(config: Config<typeof daemonTlsOptions>, log: Logger): DaemonTls | undefined {
	const daemonTls = daemonTlsOf(config);
	if (daemonTls === undefined) return undefined;
	const { files, serverName } = daemonTls;
	const credentials = new TlsCredentials(files, {
		clock: systemClock,
		onReload: (error) => {
			if (error === undefined) log.info("certificates for daemons reloaded");
			else log.error({ error: error.message }, "certificates are wrong; those from before stay in use");
		},
	});
	return { credentials, serverName };
}

function invalid(why: string): ScalerError {
	return new ScalerError("CONFIG_INVALID", why);
}
