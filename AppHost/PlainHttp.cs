using Microsoft.Extensions.Configuration;

namespace RagPlatform.AppHost;

/// <summary>A launch profile of plain HTTP needs no certificate, so none is asked for.</summary>
internal static class PlainHttp
{
    /// <summary>
    /// Has resources that would use the developer's certificate go without it, unless the AppHost itself is reached by HTTPS: else the
    /// dashboard begins with a complaint that the certificate is missing.
    /// </summary>
    public static void UsePlainHttp(this IDistributedApplicationBuilder builder)
    {
        if (builder.ExecutionContext.IsPublishMode
            || builder.Configuration["ASPNETCORE_URLS"]?.Contains("https:", StringComparison.OrdinalIgnoreCase) == true)
        {
            return;
        }

#pragma warning disable ASPIRECERTIFICATES001 // Marked as experimental; nothing else says it.
        foreach (var resource in builder.Resources.Where(
            resource => resource.Annotations.OfType<HttpsCertificateConfigurationCallbackAnnotation>().Any()))
        {
            resource.Annotations.Add(new HttpsCertificateAnnotation { UseDeveloperCertificate = false });
        }
#pragma warning restore ASPIRECERTIFICATES001
    }
}
