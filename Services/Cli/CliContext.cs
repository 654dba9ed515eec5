using System.CommandLine;
using System.Net.Http.Headers;
using RagPlatform.Cli.Connections;
using RagPlatform.Contracts;

namespace RagPlatform.Cli;

/// <summary>What every verb gets: its surroundings, and the options that all verbs share.</summary>
/// <param name="environment">The surroundings.</param>
internal sealed class CliContext(CliEnvironment environment)
{
    /// <summary>The surroundings.</summary>
    public CliEnvironment Environment { get; } = environment;

    /// <summary>Where the API is.</summary>
    public Option<string?> Url { get; } = new("--url")
    {
        Description = $"The API. Else RAG_URL, else the local node's, else {ApiAddress.Default}.",
        HelpName = "URL",
        Recursive = true,
    };

    /// <summary>The API key.</summary>
    public Option<string?> Key { get; } = new("--key")
    {
        Description = "The API key. Else RAG_API_KEY, else the local node's .data/admin.key.",
        HelpName = "KEY",
        Recursive = true,
    };

    /// <summary>The file with the API key.</summary>
    public Option<string?> KeyFile { get; } = new("--key-file")
    {
        Description = "The file that holds the API key.",
        HelpName = "FILE",
        Recursive = true,
    };

    /// <summary>Where the command line points, and with which key.</summary>
    /// <exception cref="CliException">The address is none, or there is no key.</exception>
    public ApiAddress Address(ParseResult parse) =>
        ApiAddress.Find(Environment, parse.GetValue(Url), parse.GetValue(Key), parse.GetValue(KeyFile));

    /// <summary>The API that the command line points to.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="patient">Whether a restart of the API is waited for, once it has answered.</param>
    /// <exception cref="CliException">The address is none, or there is no key.</exception>
    public RagClient Connect(ParseResult parse, bool patient = false) => Connect(Address(parse), patient);

    /// <summary>The API at <paramref name="address"/>.</summary>
    public RagClient Connect(ApiAddress address, bool patient = false) => new(CreateHttpClient(address, patient));

    /// <summary>For calls that <see cref="RagClient"/> does not have.</summary>
    public HttpClient CreateHttpClient(ApiAddress address, bool patient = false)
    {
        var http = new HttpClient(new RetryHandler(Environment.Time, patient) { InnerHandler = Environment.CreateHandler() })
        {
            BaseAddress = address.Url,
            Timeout = TimeSpan.FromMinutes(10),
        };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", address.Key);
        return http;
    }
}
