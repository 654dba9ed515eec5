using System.Net;
using System.Text.RegularExpressions;

namespace RagPlatform.Browser.Tests.Infrastructure;

/// <summary>Visits a dashboard without a browser: cookies are kept and can be copied, redirects are not followed, headers are as a proxy sends them.</summary>
internal sealed partial class HttpVisitor : IDisposable
{
    private readonly HttpClient _http;

    public HttpVisitor(Uri dashboard, params (string Name, string Value)[] headers)
    {
        _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = dashboard };
        foreach (var (name, value) in headers)
        {
            _http.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
        }
    }

    /// <summary>The cookies by name, as whoever has seen them could send them too.</summary>
    public Dictionary<string, string> Cookies { get; init; } = [];

    /// <summary>What the last answer said of cookies.</summary>
    public IReadOnlyList<string> SetCookies { get; private set; } = [];

    public Task<HttpResponseMessage> GetAsync(string path) => SendAsync(new(HttpMethod.Get, path));

    /// <summary>Opens a page with a form and posts it.</summary>
    public async Task<HttpResponseMessage> PostAsync(string page, string action, params (string Name, string Value)[] fields)
    {
        using var opened = await GetAsync(page);
        var html = await opened.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var token = Token().Match(html).Groups[1].Value;
        return await SendAsync(new(HttpMethod.Post, action)
        {
            Content = new FormUrlEncodedContent(
                [new("__RequestVerificationToken", token), .. fields.Select(f => new KeyValuePair<string, string>(f.Name, f.Value))]),
        });
    }

    public Task<HttpResponseMessage> LogInAsync(string key, string prefix = "/") => PostAsync(prefix + "login", prefix + "login/submit", ("key", key));

    /// <summary>Whether a page opens, rather than the login.</summary>
    public async Task<bool> IsInAsync()
    {
        using var response = await GetAsync("/models");
        return response.StatusCode == HttpStatusCode.OK;
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request)
    {
        request.Headers.Add("Accept", "text/html");
        if (Cookies.Count > 0)
        {
            request.Headers.Add("Cookie", string.Join("; ", Cookies.Select(c => $"{c.Key}={c.Value}")));
        }

        var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        SetCookies = response.Headers.TryGetValues("Set-Cookie", out var set) ? [.. set] : [];
        foreach (var cookie in SetCookies)
        {
            var pair = cookie.Split(';')[0].Split('=', 2);
            Cookies[pair[0]] = pair[1];
        }

        return response;
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex Token();
}
