using System.IO.Compression;
using System.Reflection;
using System.Security.Cryptography;

namespace RagPlatform.Dashboard.Assets;

/// <summary>The stylesheet, the script and the icon: parts of the assembly, served under names that change with their content.</summary>
internal static class AssetEndpoints
{
    private const string Prefix = "assets/";

    private static readonly Dictionary<string, Asset> s_assets = Load();

    /// <summary>Maps <c>/assets/{file}</c>; nobody has to be logged in.</summary>
    public static void MapAssets(this WebApplication app) =>
        app.MapGet("/" + Prefix + "{file}", (RequestDelegate)SendAsync).AllowAnonymous();

    /// <summary>The address of a file, relative to the site's root.</summary>
    /// <param name="name">Its name in the folder Assets.</param>
    public static string Link(string name) => s_assets.Values.First(asset => asset.Name == name).Link;

    private static async Task SendAsync(HttpContext context)
    {
        if (!s_assets.TryGetValue((string)context.GetRouteValue("file")!, out var asset))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        var headers = context.Response.Headers;
        headers.CacheControl = "public, max-age=31536000, immutable";
        headers.Vary = "Accept-Encoding";
        context.Response.ContentType = asset.ContentType;
        var body = asset.Content;
        if (context.Request.Headers.AcceptEncoding.ToString().Contains("br", StringComparison.OrdinalIgnoreCase))
        {
            headers.ContentEncoding = "br";
            body = asset.Brotli;
        }

        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    private static Dictionary<string, Asset> Load()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .Select(name => Read(assembly, name))
            .ToDictionary(asset => asset.Link[Prefix.Length..], StringComparer.Ordinal);
    }

    private static Asset Read(Assembly assembly, string resource)
    {
        using var stream = assembly.GetManifestResourceStream(resource)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);

        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            brotli.Write(content);
        }

        var name = resource[Prefix.Length..];
        var extension = Path.GetExtension(name);
        var digest = Convert.ToHexStringLower(SHA256.HashData(content), 0, 6);
        var link = $"{Prefix}{Path.GetFileNameWithoutExtension(name)}.{digest}{extension}";
        return new(name, link, ContentTypeOf(extension), content, packed.ToArray());
    }

    private static string ContentTypeOf(string extension) => extension switch
    {
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    };

    private sealed record Asset(string Name, string Link, string ContentType, byte[] Content, byte[] Brotli);
}
