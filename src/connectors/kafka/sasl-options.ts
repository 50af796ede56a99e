import { MillraceError } from '../../common/errors.ts'

/** How to log in to the brokers. All of it is plain data, so that enumerators, which run no code of the job, can too (R27). */
export type KafkaSaslOptions =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | {
      readonly mechanism: 'aws'
      readonly authorizationIdentity: string
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly sessionToken?: string
    }
  | KafkaOAuthOptions

/** Logging in by a token (RFC 7628, KIP-255). */
export type KafkaOAuthOptions = KafkaOAuthToken & {
  readonly mechanism: 'oauthbearer'
  /** What the broker is told besides the token (KIP-342). */
  readonly extensions?: Readonly<Record<string, string>>
}

/** Where the token comes from: a text, a file that somebody keeps fresh, or a token endpoint (KIP-768). */
export type KafkaOAuthToken =
  | { readonly token: string; readonly tokenFile?: never; readonly clientCredentials?: never }
  | {
      /** Read at each log-in, such as the token that Kubernetes projects into a pod. */
      readonly tokenFile: string
      readonly token?: never
      readonly clientCredentials?: never
    }
  | {
      readonly clientCredentials: KafkaOAuthClientCredentials
      readonly token?: never
      readonly tokenFile?: never
    }

/** OAuth 2.0's client-credentials grant (RFC 6749 section 4.4). */
export type KafkaOAuthClientCredentials = {
  /** `https://…`, or `http://…` for tests. */
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scope?: string
  /** More fields of the request's form, such as `audience`. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Certificates (PEM) of the authorities to trust for the endpoint, instead of those that Node.js knows. */
  readonly ca?: string
}

/** @throws MillraceError MR_CONFIGURATION naming the option; never with its value */
export function checkSasl(sasl: KafkaSaslOptions): void {
  switch (sasl.mechanism) {
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512':
      needTexts(sasl, ['username', 'password'])
      return
    case 'aws':
      needTexts(sasl, ['accessKeyId', 'secretAccessKey'])
      return
    case 'oauthbearer':
      checkOAuth(sasl)
      return
    default: {
      const never: never = sasl
      throw wrong(`there is no mechanism ${String((never as { mechanism: unknown }).mechanism)}`)
    }
  }
}

function checkOAuth(sasl: KafkaOAuthOptions): void {
  const given = [sasl.token, sasl.tokenFile, sasl.clientCredentials].filter((source) => source !== undefined)
  if (given.length !== 1) throw wrong('oauthbearer needs one of token, tokenFile and clientCredentials')
  for (const [key, value] of Object.entries(sasl.extensions ?? {})) {
    // RFC 7628 section 3.1; `auth` is the token's own key.
    if (!/^[A-Za-z]+$/.test(key) || key === 'auth' || !/^[\x21-\x7e \t\r\n]+$/.test(value)) {
      throw wrong(`extensions: '${key}' is no name of letters, or its value is not printable`)
    }
  }
  const { clientCredentials } = sasl
  if (clientCredentials === undefined) return
  needTexts(clientCredentials, ['tokenEndpoint', 'clientId', 'clientSecret'])
  const url = URL.parse(clientCredentials.tokenEndpoint)
  if (url === null || !/^https?:$/.test(url.protocol)) throw wrong('clientCredentials.tokenEndpoint is no http address')
  if (url.username !== '' || url.password !== '') throw wrong('clientCredentials.tokenEndpoint holds a password')
}

function needTexts(options: object, names: readonly string[]): void {
  for (const name of names) {
    const value: unknown = Reflect.get(options, name)
    if (typeof value !== 'string' || value === '') throw wrong(`${name} is missing`)
  }
}

function wrong(why: string): MillraceError {
  return new MillraceError('MR_CONFIGURATION', `properties.sasl: ${why}`)
}

/**
 * Credentials or a mechanism that a broker refuses. Trying again would not help, and may lock the user out.
 * @param why in the broker's words; never with a secret
 */
export function loginRefused(sasl: KafkaSaslOptions, why: string): MillraceError {
  return new MillraceError('MR_KAFKA_LOGIN', `the log-in by ${loginText(sasl)} was refused: ${why}`)
}

/** `SCRAM-SHA-256 as user 'ads'` */
function loginText(sasl: KafkaSaslOptions): string {
  const mechanism = sasl.mechanism.toUpperCase()
  if (sasl.mechanism === 'oauthbearer') return mechanism
  return `${mechanism} as user '${sasl.mechanism === 'aws' ? sasl.authorizationIdentity : sasl.username}'`
}
