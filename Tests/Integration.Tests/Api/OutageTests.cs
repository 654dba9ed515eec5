using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Integration.Tests.Search;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>What the API needs is away for a while.</summary>
public sealed class OutageTests(OutageTests.InterruptibleApi api) : IClassFixture<OutageTests.InterruptibleApi>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PutDocument_TheDatabaseIsAway_Is503WithRetryAfterAndWorksOnceItIsBack()
    {
        var path = $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents/a";

        api.Proxy!.Interrupt();
        for (var i = 0; i < 3; i++)
        {
            using var put = await api.Http.PutAsJsonAsync(path, new DocumentPut("text"), RagJson.Options, Cancellation);
            await ExpectUnavailableAsync(put);
        }

        using var guess = api.CreateClient("rag_ws_of_some_workspace");
        using var checkedKey = await guess.GetAsync(path, Cancellation);
        await ExpectUnavailableAsync(checkedKey);

        api.Proxy!.Resume();
        using var back = await api.Http.PutAsJsonAsync(path, new DocumentPut("text"), RagJson.Options, Cancellation);
        Assert.Equal(HttpStatusCode.Created, back.StatusCode);
    }

    [Fact]
    public async Task PutDocument_TheDatabaseIsFrozen_Is503WhileItStillIs()
    {
        var path = $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents/a";
        api.Proxy!.Freeze();
        try
        {
            var (put, health) = (api.Http.PutAsJsonAsync(path, new DocumentPut("text"), RagJson.Options, Cancellation), api.Http.GetAsync("/health", Cancellation));
            using var putAnswer = await put;
            using var healthAnswer = await health;

            // Its own limit, not that of any request.
            await ExpectUnavailableAsync(putAnswer);
            Assert.Contains("The database does not answer.", await putAnswer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, healthAnswer.StatusCode);
        }
        finally
        {
            api.Proxy!.Thaw();
        }

        HttpStatusCode status;
        do
        {
            using var back = await api.Http.PutAsJsonAsync(path, new DocumentPut("text"), RagJson.Options, Cancellation);
            status = back.StatusCode;
        }
        while (status == HttpStatusCode.ServiceUnavailable);

        Assert.True(status is HttpStatusCode.Created or HttpStatusCode.OK, $"{status}");
    }

    internal static async Task ExpectUnavailableAsync(HttpResponseMessage response)
    {
        var body = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.True(response.StatusCode == HttpStatusCode.ServiceUnavailable, $"{(int)response.StatusCode}: {body}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.DoesNotContain("Npgsql", body, StringComparison.Ordinal);
    }

    /// <summary>The API, whose way to the database can be cut.</summary>
    public sealed class InterruptibleApi(Backends backends) : ApiFixture(backends)
    {
        internal TcpProxy? Proxy { get; private set; }

        public override async ValueTask DisposeAsync()
        {
            Proxy?.Resume();
            await base.DisposeAsync();
            Proxy?.Dispose();
        }

        protected override ValueTask<string> RouteDatabaseAsync(string connectionString)
        {
            var target = new NpgsqlConnectionStringBuilder(connectionString);
            Proxy = new TcpProxy(target.Host!, target.Port);
            return new(new NpgsqlConnectionStringBuilder(connectionString) { Host = "127.0.0.1", Port = Proxy.Port }.ConnectionString);
        }
    }
}

/// <summary>The database is away behind PgBouncer, which answers in its stead, with errors of its own.</summary>
public sealed class PgBouncerOutageTests(PgBouncerOutageTests.PooledApi api) : IClassFixture<PgBouncerOutageTests.PooledApi>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_TheDatabaseIsAwayBehindThePooler_Are503WithRetryAfterAndWorkOnceItIsBack()
    {
        if (PgBouncer.FindProgram() is null)
        {
            throw Requirements.Missing("pgbouncer is not installed: run eng/install-backends.sh --pgbouncer.");
        }

        var path = $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents/a";
        api.Proxy!.Interrupt();
        for (var i = 0; i < 5; i++)
        {
            using var put = await api.Http.PutAsJsonAsync(path, new DocumentPut("text"), RagJson.Options, Cancellation);
            await OutageTests.ExpectUnavailableAsync(put);
            using var list = await api.Http.GetAsync("/v1/workspaces", Cancellation);
            await OutageTests.ExpectUnavailableAsync(list);
        }

        api.Proxy!.Resume();
        HttpStatusCode status;
        do
        {
            using var back = await api.Http.PutAsJsonAsync(path, new DocumentPut("text"), RagJson.Options, Cancellation);
            status = back.StatusCode;
        }
        while (status == HttpStatusCode.ServiceUnavailable);

        Assert.Equal(HttpStatusCode.Created, status);
    }

    /// <summary>The API behind PgBouncer, whose way to the database can be cut.</summary>
    public sealed class PooledApi(Backends backends) : ApiFixture(backends)
    {
        private PgBouncer? _bouncer;

        internal TcpProxy? Proxy { get; private set; }

        public override async ValueTask DisposeAsync()
        {
            Proxy?.Resume();
            await base.DisposeAsync();
            await (_bouncer?.DisposeAsync() ?? ValueTask.CompletedTask);
            Proxy?.Dispose();
        }

        protected override async ValueTask<string> RouteDatabaseAsync(string connectionString)
        {
            if (PgBouncer.FindProgram() is not { } program)
            {
                return connectionString;
            }

            var target = new NpgsqlConnectionStringBuilder(connectionString);
            Proxy = new TcpProxy(target.Host!, target.Port);
            target.Host = "127.0.0.1";
            target.Port = Proxy.Port;
            _bouncer = await PgBouncer.StartAsync(program, target.ConnectionString, CancellationToken.None);
            return _bouncer.ConnectionString;
        }
    }
}

/// <summary>The embedding service is away. On an API of its own, which has not asked it before: models are remembered for some seconds.</summary>
public sealed class EmbeddingOutageTests(OutageTests.InterruptibleApi api) : IClassFixture<OutageTests.InterruptibleApi>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CreateWorkspace_TheEmbeddingServiceIsAway_Is503WithRetryAfter()
    {
        api.Models = () => throw new HttpRequestException("refused");

        using var response = await api.Http.PostAsJsonAsync("/v1/workspaces", new WorkspaceCreate("w"), RagJson.Options, Cancellation);
        api.Models = ApiFixture.DefaultModels;

        await OutageTests.ExpectUnavailableAsync(response);
    }
}

/// <summary>Passes bytes on to a server, until it is interrupted: then connections break and new ones are closed at once.</summary>
internal sealed class TcpProxy : IDisposable
{
    private readonly string _host;
    private readonly int _port;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Lock _lock = new();
    private readonly List<TcpClient> _connections = [];
    private bool _interrupted;
    private volatile TaskCompletionSource? _frozen;

    public TcpProxy(string host, int port)
    {
        (_host, _port) = (host, port);
        _listener.Start();
        Accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    private Task Accepting { get; }

    public void Interrupt()
    {
        lock (_lock)
        {
            _interrupted = true;
            _connections.ForEach(c => c.Dispose());
            _connections.Clear();
        }
    }

    public void Resume()
    {
        lock (_lock)
        {
            _interrupted = false;
        }
    }

    /// <summary>Connections stay, are even made, and nothing passes: as a server that is stopped, or a network that swallows.</summary>
    public void Freeze() => _frozen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Thaw() => _frozen?.TrySetResult();

    public void Dispose()
    {
        _listener.Stop();
        Thaw();
        Interrupt();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        var passing = new List<Task>();
        try
        {
            while (true)
            {
                passing.Add(PassAsync(await _listener.AcceptTcpClientAsync()));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(passing);
        }
    }

    private async Task CopyAsync(Stream from, Stream to)
    {
        var buffer = new byte[64 * 1024];
        while (await from.ReadAsync(buffer) is > 0 and var read)
        {
            await (_frozen?.Task ?? Task.CompletedTask);
            await to.WriteAsync(buffer.AsMemory(0, read));
        }
    }

    private async Task PassAsync(TcpClient client)
    {
        using var server = new TcpClient();
        try
        {
            lock (_lock)
            {
                if (_interrupted)
                {
                    client.Dispose();
                    return;
                }

                _connections.AddRange([client, server]);
            }

            await server.ConnectAsync(_host, _port);
            var (near, far) = (client.GetStream(), server.GetStream());
            await Task.WhenAny(CopyAsync(near, far), CopyAsync(far, near));
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The connection was cut: that is what the proxy is for.
        }
        finally
        {
            client.Dispose();
        }
    }
}
